#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack_slab.hpp"

// The guard pages below stacks.
namespace martlet::detail {
namespace {

constexpr int advice_guard_install = 102;  // MADV_GUARD_INSTALL, younger than Debian 12's headers
constexpr std::size_t default_map_limit = 65530;

// Reads vm.max_map_count without allocating.
std::size_t system_map_limit() noexcept {
  const int file = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return default_map_limit;
  }
  char text[32] = {};
  const ssize_t length = ::read(file, text, sizeof text - 1);
  ::close(file);
  const unsigned long long limit = length > 0 ? std::strtoull(text, nullptr, 10) : 0;
  return limit == 0 ? default_map_limit : static_cast<std::size_t>(limit);
}

}  // namespace

// Makes the guard of a stack that was just popped, or gives the stack back.
void stack_pool::require_guard(stack_record* record) {
  const stack_slab& slab = *stack_slab::of(record);
  std::byte* low = slab.low_of(record->index, class_bytes(slab.class_index));
  try {
    install_guard(record, low - slab.page_bytes, slab.page_bytes);
  } catch (...) {
    give_back(hand_out(record));
    throw;
  }
}

// Makes the guard of a stack that the caller holds.
void stack_pool::install_guard(stack_record* record, std::byte* page, std::size_t page_bytes) {
  if (options_.light_guards && kernel_has_light_guards_.load(base::relaxed)) {  // a late answer costs one call
    if (::madvise(page, page_bytes, advice_guard_install) == 0) {
      record->is_guarded.store(true, base::relaxed);
      return;
    }
    if (errno != EINVAL) {
      throw_stack_error(errno, "no memory for the guard page of another stack; run fewer fibers at once");
    }
    kernel_has_light_guards_.store(false, base::relaxed);
  }
  const bool is_within_budget = reserve_mappings();
  if (is_within_budget && ::mprotect(page, page_bytes, PROT_NONE) == 0) {
    record->is_guarded.store(true, base::relaxed);
    return;
  }
  if (is_within_budget) {
    map_guards_.fetch_sub(1, base::relaxed);
  }
  throw_stack_error(ENOMEM, "no guard page for another stack: " + std::to_string(map_guards_.load(base::relaxed)) +
                                " stacks have one, at two memory mappings each; raise the limit on mappings (sysctl "
                                "vm.max_map_count), run Linux 6.13 or newer, or ask for unguarded stacks");
}

// Counts one more guard made by mprotect, if the limit allows it.
bool stack_pool::reserve_mappings() noexcept {
  std::size_t budget = map_budget_.load(base::relaxed);  // every thread that looks finds the same
  if (budget == 0) {
    const std::size_t limit = options_.map_limit != 0 ? options_.map_limit : system_map_limit();
    // The rest is for slabs, libraries, heaps and threads' stacks, which abort where we can refuse.
    budget = limit - limit / 8;
    map_budget_.store(budget, base::relaxed);
  }
  if ((map_guards_.fetch_add(1, base::relaxed) + 1) * 2 <= budget) {  // a count; nothing hangs on its order
    return true;
  }
  map_guards_.fetch_sub(1, base::relaxed);
  return false;
}

std::optional<stack_pool::guard_hit> stack_pool::guard_of(const void* address) const noexcept {
  const auto* where = static_cast<const std::byte*>(address);
  for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
    const std::size_t stack_bytes = class_bytes(slab->class_index);
    const std::size_t step = slab->stride(stack_bytes);
    if (where < slab->first || where >= slab->first + slab->count * step) {
      continue;
    }
    const auto offset = static_cast<std::size_t>(where - slab->first);
    stack_record* record = slab->records() + offset / step;
    if (offset % step >= slab->page_bytes || !record->is_guarded.load(base::relaxed)) {  // same thread, or nobody's
      return std::nullopt;
    }
    std::byte* low = slab->low_of(offset / step, stack_bytes);
    return guard_hit{{low, stack_slab::top_of(low, offset / step, stack_bytes), record},
                     record->is_taken.load(base::relaxed)};
  }
  return std::nullopt;
}

}  // namespace martlet::detail
