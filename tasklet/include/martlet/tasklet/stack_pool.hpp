#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/tasklet/stack_span.hpp>
#include <martlet/tasklet/stack_use.hpp>

namespace martlet::detail {

struct stack_slab;

// What the pool knows of one stack. It lies in the slab's header, away from the stack: a parked stack keeps one page.
struct stack_record {
  stack_record* next;             // in a free list; under the class's lock
  std::uint32_t index;            // in its slab
  base::atomic<bool> is_guarded;  // written by who holds the stack, read by fault handlers
  base::atomic<bool> is_taken;
};

/// A stack that was taken from a pool.
struct stack {
  std::byte* low = nullptr;  // the lowest usable byte; the guard page ends here
  std::byte* top = nullptr;  // coloured: 0 to 1,984 bytes below the end of its last page
  stack_record* record = nullptr;

  operator stack_span() const noexcept { return {low, top}; }
};

/// Whether a stack may be handed out without a guard page when the system has none left.
enum class guard_policy : std::uint8_t { guarded, unguarded };

struct stack_pool_options {
  bool light_guards = true;            // false: never MADV_GUARD_INSTALL, always mprotect
  std::size_t map_limit = 0;           // how many mappings the process may have; 0: vm.max_map_count
  std::size_t warm_bytes = 64U << 20;  // how much address space of freed stacks keeps its pages, per class
};

struct stack_pool_counts {
  std::size_t taken = 0;
  std::size_t warm = 0;        // free, with their pages
  std::size_t cold = 0;        // free, without
  std::size_t map_guards = 0;  // guard pages that cost the process two mappings each
};

/// The process's stacks for fibers: classes of 64 KiB, 128 KiB ... 8 MiB, each with a guard page below.
///
/// One instance serves the process, constant-initialised and never destroyed; address space is kept for ever, and pages
/// only up to a bound, so that resident memory returns after a burst. Use it for stacks that live and die by the
/// thousand; a stack for one long-lived thing can as well come from anywhere else.
///
/// How guards are made is found out with the first stack. Where the kernel has MADV_GUARD_INSTALL (6.13) they cost
/// 0.6 us once and no mapping. Else mprotect splits the mapping, two mappings a stack, and the kernel allows a process
/// some 65,000 (vm.max_map_count): when seven eighths are used for guards, `take` refuses guarded stacks.
///
/// Layout. A slab is a header with the records, then for each stack a guard page and its bytes. So stacks lie an odd
/// number of pages apart, which spreads their tops over the sets of the TLB, and the tops are coloured, staggered by
/// cache lines over half a page, which spreads them over the sets of the cache: a small fiber still touches one page.
/// Resuming 1,000 flows in turn costs 9.7 ns each (Zen 5), 23 with stacks 16 pages apart, 27 without colours as well.
///
/// Memory orders: [stack.slab] a slab's header, then its place in the list that fault handlers walk.
///
/// Threads   any.
class stack_pool {
 public:
  static constexpr std::size_t default_bytes = std::size_t{64} << 10;
  static constexpr std::size_t smallest_bytes = 4096;  // less is a mistake in the unit
  static constexpr std::size_t largest_bytes = std::size_t{8} << 20;

  constexpr stack_pool() noexcept = default;
  constexpr explicit stack_pool(stack_pool_options options) noexcept : options_(options) {}
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

  /// Takes a stack, the one given back last where there is one.
  ///
  /// Takes     the size in bytes, rounded up to a class; 0 for the default. Colouring costs up to 1,984 of them.
  /// Returns   a stack with arbitrary contents. An `unguarded` one may have a guard all the same.
  /// Throws    std::system_error when memory, address space or mappings for a guard have run out; misuse below
  ///           `smallest_bytes` and beyond `largest_bytes`.
  /// Cost      about 7 ns when one is free; a fresh one 0.6 us, and 1.5 us for each page that it touches first.
  stack take(std::size_t bytes = default_bytes, guard_policy policy = guard_policy::guarded);

  /// As `take`, for a use that begins later: `settle` it then. So those that wait for their first use need no page, and share
  /// the pages of those that have ended by then.
  ///
  /// Returns   a stack with its guard; in `is_settled` whether it has its pages already.
  /// Throws    as `take`.
  /// Cost      as `take`, without the pages.
  stack take_ahead(std::size_t bytes, bool& is_settled);

  /// Exchanges a stack from `take_ahead` for one that has its pages, if there is one.
  ///
  /// Cost      about 7 ns.
  void settle(stack& mine) noexcept;

  /// Gives a stack back. Nothing may run on it any more.
  ///
  /// Cost      about 7 ns; when enough free ones keep their pages already, those of the newest 64 (of larger stacks fewer) go
  ///           back to the system at once, 1 us for each, 2 beside other threads.
  void give_back(const stack& from) noexcept;

  /// Returns   how many bytes the class of a stack has: what was asked for, rounded up.
  /// Threads   any; also from a signal handler.
  static std::size_t size_of(const stack& of) noexcept;

  /// Returns   how many bytes of it were touched since its pages were new, in whole pages.
  static std::size_t high_water(const stack& of) noexcept;

  struct guard_hit {
    stack of;
    bool is_taken;  // by a fiber, or free
  };

  /// Finds the stack whose guard page `address` lies in.
  ///
  /// Returns   nothing when it lies elsewhere, or where a guard would be but none is.
  /// Threads   any; also from a signal handler.
  /// Cost      a few ns for each slab (1,024 stacks of 64 KiB).
  std::optional<guard_hit> guard_of(const void* address) const noexcept;

  stack_pool_counts counts() const noexcept;

  /// Tells, for each size of which there are stacks, how deep they were ever used.
  std::vector<stack_use> uses() const;

  /// Declares the stacks that kept their pages and were not needed since the last call to be too many.
  ///
  /// Threads   one at a time, as for `trim_some`.
  void begin_trim() noexcept;

  /// Gives the pages of some of those back to the system.
  ///
  /// Returns   false when there are no more.
  /// Cost      up to 200 us; where whole slabs are given up, 2 ms with 200,000 stacks.
  bool trim_some() noexcept;

  /// Returns   a hint: whether there are free stacks with pages.
  bool has_warm() const noexcept;

  /// Changes the options of a pool that has no stack yet; for tests.
  void set_options(stack_pool_options options) noexcept { options_ = options; }

  /// Takes every lock, so that the copy that a child of fork gets is whole, and lets go of them.
  void hold() noexcept;
  void let_go() noexcept;

  /// Gives all address space back to the system; for tests. Every stack must have been given back, no other thread
  /// may be inside.
  void unmap() noexcept;

 private:
  static constexpr std::size_t class_count = 8;
  static constexpr std::size_t most_cooled_at_once = 64;

  struct alignas(64) size_class {
    stack_record* pop(guard_policy policy) noexcept;
    stack_record* pop_from(bool is_guarded, bool is_warm) noexcept;
    void push_cold(stack_record* record) noexcept;

    std::size_t taken() const noexcept { return carved - warm.load(base::relaxed) - cold; }

    mutable base::spin_lock lock;   // what follows up to `open` is on its cache line, and all that a warm stack needs
    stack_record* free[2][2] = {};  // [is guarded][is warm], each last in, first out
    base::atomic<std::size_t> warm{0};  // only changed under the lock; read without it as a hint
    std::size_t least_warm = 0;         // since the last begin_trim
    stack_slab* open = nullptr;         // has stacks that were never handed out
    stack_slab* vacant = nullptr;       // slabs whose stacks are all as good as new, but for their guards
    std::size_t carved = 0;             // those of all its slabs
    std::size_t cold = 0;
    std::size_t surplus = 0;                 // what trim_some may still take
    std::size_t cooled = 0;                  // how often a stack has lost its pages
    base::atomic<std::uint32_t> deepest{0};  // bytes ever touched of the stacks that have lost their pages since
  };

  bool retire_slabs(size_class& one) noexcept;
  static std::size_t cool(size_class& mine, std::size_t most, std::size_t depth_noted_of_each) noexcept;
  static constexpr std::size_t class_bytes(std::size_t index) noexcept { return default_bytes << index; }

  static stack hand_out(stack_record* record) noexcept;
  static void take_back(const stack& from) noexcept;

  stack finish_taking(stack_record* record, std::size_t class_index, guard_policy policy);
  void require_guard(stack_record* record);
  stack_slab* map_slab(std::size_t class_index) const;
  stack_record* take_fresh(std::size_t class_index);
  void install_guard(stack_record* record, std::byte* page, std::size_t page_bytes);
  bool reserve_mappings() noexcept;

  stack_pool_options options_{};
  base::atomic<bool> kernel_has_light_guards_{true};  // until it says otherwise
  base::atomic<std::size_t> map_budget_{0};           // mappings that guards may cost; 0: not looked up yet
  base::atomic<std::size_t> map_guards_{0};
  base::atomic<stack_slab*> slabs_{nullptr};  // all of them, newest first
  std::array<size_class, class_count> classes_{};
};

}  // namespace martlet::detail
