#pragma once

#include <cstddef>
#include <vector>

namespace martlet {

/// How the stacks of one size were used so far, in the whole process.
struct stack_use {
  std::size_t size = 0;     // what `fiber_options::stack_size` was rounded up to
  std::size_t in_use = 0;   // stacks that tasklets have at the moment
  std::size_t deepest = 0;  // bytes of the one that was used deepest, in whole pages
};

/// Tells how deep the stacks of this process were ever used, for each size: by tasklets that run and by those that have
/// ended, until now.
///
/// Use it to choose `fiber_options::stack_size`. To measure one kind of tasklet, give it a size that no other kind has.
/// It counts pages that were touched and does not know by whom, nor what was swapped out. When more than a thousand stacks
/// of 64 KiB are free at once, it looks at every sixteenth of the others.
///
/// ```cpp
/// for (const martlet::stack_use& of : martlet::stack_uses()) {
///   std::printf("%zu of %zu bytes\n", of.deepest, of.size);
/// }
/// ```
///
/// Returns   the sizes of which there were stacks, smallest first.
/// Throws    std::bad_alloc.
/// Threads   any.
/// Cost      nothing until it is called; then a system call for each 1,024 stacks of 64 KiB, about 200 us each.
std::vector<stack_use> stack_uses();

/// Tells how deep the stack of the running tasklet was used until now.
///
/// Stacks are used again: it counts what an earlier tasklet has touched of this one too, since its pages were new.
///
/// Returns   bytes, in whole pages; 0 where no stackful tasklet runs.
/// Threads   any. Cost a system call.
std::size_t stack_high_water() noexcept;

}  // namespace martlet
