#include <martlet/tasklet/stack_pool.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include <martlet/base/check.hpp>
#include <martlet/base/sanitizer.hpp>
#include <martlet/base/valgrind.hpp>
#include <martlet/tasklet/errors.hpp>

#include "stack_slab.hpp"

namespace martlet::detail {
namespace {

constexpr std::size_t slab_bytes = std::size_t{64} << 20;
constexpr std::size_t least_stacks_in_slab = 8;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

[[noreturn, gnu::cold]] void refuse_size(std::size_t bytes) {
  throw misuse("martlet: a stack has " + std::to_string(stack_pool::smallest_bytes) + " to " +
               std::to_string(stack_pool::largest_bytes) + " bytes (0 for the default); " + std::to_string(bytes) +
               (bytes < stack_pool::smallest_bytes
                    ? " were asked for: stack_size counts bytes, not KiB"
                    : " were asked for: ask for less, or run this on a thread of its own"));
}

std::size_t class_of(std::size_t bytes) {
  if (bytes > stack_pool::largest_bytes || (bytes < stack_pool::smallest_bytes && bytes != 0)) [[unlikely]] {
    refuse_size(bytes);
  }
  const std::size_t units = bytes <= stack_pool::default_bytes ? 1 : std::bit_ceil(bytes) / stack_pool::default_bytes;
  return static_cast<std::size_t>(std::countr_zero(units));
}

}  // namespace

stack_record* stack_pool::size_class::pop_from(bool is_guarded, bool is_warm) noexcept {
  stack_record*& list = free[is_guarded ? 1 : 0][is_warm ? 1 : 0];
  stack_record* record = list;
  if (record == nullptr) {
    return nullptr;
  }
  list = record->next;
  if (is_warm) {
    const std::size_t left = warm.load(base::relaxed) - 1;
    warm.store(left, base::relaxed);
    if (left < least_warm) [[unlikely]] {
      least_warm = left;
    }
  } else {
    --cold;
    stack_slab::of(record)->cold -= is_guarded ? 1 : 0;
  }
  return record;
}

stack_record* stack_pool::size_class::pop(guard_policy policy) noexcept {
  const bool wanted = policy == guard_policy::guarded;
  for (const bool is_guarded : {wanted, !wanted}) {
    for (const bool is_warm : {true, false}) {
      if (stack_record* record = pop_from(is_guarded, is_warm); record != nullptr) {
        return record;
      }
    }
  }
  if (vacant != nullptr && (open == nullptr || open->carved == open->count)) [[unlikely]] {
    open = std::exchange(vacant, vacant->next_vacant);
  }
  if (open != nullptr && open->carved < open->count) {
    stack_record* record = open->records() + open->carved;
    record->index = open->carved++;
    record->is_guarded.store(record->index < open->guarded, base::relaxed);
    ++carved;
    return record;
  }
  return nullptr;
}

void stack_pool::size_class::push_cold(stack_record* record) noexcept {
  const std::size_t is_guarded = record->is_guarded.load(base::relaxed) ? 1 : 0;
  record->next = std::exchange(free[is_guarded][0], record);
  stack_slab::of(record)->cold += is_guarded == 1 ? 1 : 0;
}

// From here on a record that was popped is a stack that somebody has.
stack stack_pool::hand_out(stack_record* record) noexcept {
  const stack_slab& slab = *stack_slab::of(record);
  const std::size_t stack_bytes = class_bytes(slab.class_index);
  std::byte* low = slab.low_of(record->index, stack_bytes);
  record->is_taken.store(true, base::relaxed);  // for reports only
  base::unpoison(low, stack_bytes);
  if (slab.is_watched) [[unlikely]] {
    base::valgrind_fresh(low, stack_bytes);
  }
  return {low, stack_slab::top_of(low, record->index, stack_bytes), record};
}

void stack_pool::take_back(const stack& from) noexcept {
  if (!from.record->is_taken.load(base::relaxed)) [[unlikely]] {  // only catches a bug; the lock orders what is no bug
    base::fatal("a fiber's stack was given back twice");
  }
  from.record->is_taken.store(false, base::relaxed);
  base::poison(from.low, size_of(from));
}

// Takes     what was popped, null for nothing.
stack stack_pool::finish_taking(stack_record* record, std::size_t class_index, guard_policy policy) {
  if (record == nullptr) [[unlikely]] {
    record = take_fresh(class_index);
  }
  if (policy == guard_policy::guarded && !record->is_guarded.load(base::relaxed)) [[unlikely]] {  // ours alone now
    require_guard(record);
  }
  return hand_out(record);
}

stack stack_pool::take(std::size_t bytes, guard_policy policy) {
  const std::size_t class_index = class_of(bytes);
  stack_record* record = nullptr;
  {
    size_class& mine = classes_[class_index];
    const std::lock_guard hold(mine.lock);
    record = mine.pop(policy);
  }
  return finish_taking(record, class_index, policy);
}

stack stack_pool::take_ahead(std::size_t bytes, bool& is_settled) {
  const std::size_t class_index = class_of(bytes);
  stack_record* record = nullptr;
  {
    size_class& mine = classes_[class_index];
    const std::lock_guard hold(mine.lock);
    record = mine.pop_from(true, true);
    is_settled = record != nullptr;
    if (!is_settled) [[unlikely]] {
      record = mine.pop(guard_policy::guarded);
    }
  }
  return finish_taking(record, class_index, guard_policy::guarded);
}

void stack_pool::settle(stack& mine) noexcept {
  size_class& all = classes_[stack_slab::of(mine.record)->class_index];
  if (all.warm.load(base::relaxed) == 0) {  // a hint
    return;
  }
  take_back(mine);
  stack_record* record = nullptr;
  {
    const std::lock_guard hold(all.lock);
    record = all.pop_from(true, true);
    if (record != nullptr) {
      ++all.cold;
      all.push_cold(mine.record);
    }
  }
  mine = hand_out(record != nullptr ? record : mine.record);
}

void stack_pool::give_back(const stack& from) noexcept {
  take_back(from);
  stack_record* record = from.record;
  const std::size_t class_index = stack_slab::of(record)->class_index;
  size_class& mine = classes_[class_index];
  const std::size_t most_warm = options_.warm_bytes / default_bytes >> class_index;  // without a division
  {
    const std::lock_guard hold(mine.lock);
    const std::size_t warm = mine.warm.load(base::relaxed) + 1;
    mine.warm.store(warm, base::relaxed);
    record->next = std::exchange(mine.free[record->is_guarded.load(base::relaxed) ? 1 : 0][1], record);
    if (warm <= most_warm) [[likely]] {
      return;
    }
  }
  constexpr std::size_t sampled = 16;  // looking costs as much as the rest together
  // A few at once, for one system call; of few that stay warm no more than a quarter.
  cool(mine, std::max({most_warm / 16, std::min(most_warm / 4, std::size_t{8}), std::size_t{1}}), sampled);
}

stack_slab* stack_pool::map_slab(std::size_t class_index) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t stack_bytes = class_bytes(class_index);
  const std::size_t count = std::max(slab_bytes / stack_bytes, least_stacks_in_slab);
  const std::size_t head = round_up(sizeof(stack_slab) + count * sizeof(stack_record), page);
  const std::size_t bytes = head + count * (page + stack_bytes);
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) {
    throw_stack_error(errno, "no room for " + std::to_string(count) + " more stacks of " +
                                 std::to_string(stack_bytes >> 10) + " KiB (" + std::to_string(bytes >> 20) +
                                 " MiB of address space); raise the limit (`ulimit -v`, vm.overcommit_memory, "
                                 "vm.max_map_count), or run fewer fibers at once");
  }
  // A huge page under a stack would make every small fiber cost 2 MiB. Kernels since 6.7 see to it for MAP_STACK.
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  auto* slab = new (memory) stack_slab{};
  slab->first = static_cast<std::byte*>(memory) + head;
  slab->mapped_bytes = bytes;
  slab->page_bytes = page;
  slab->class_index = class_index;
  slab->count = static_cast<std::uint32_t>(count);
  slab->is_watched = base::is_under_valgrind();
  for (std::size_t i = 0; slab->is_watched && i < count; ++i) {
    base::valgrind_stack(slab->low_of(i, stack_bytes), stack_bytes);
  }
  return slab;
}

stack_record* stack_pool::take_fresh(std::size_t class_index) {
  size_class& mine = classes_[class_index];
  stack_slab* slab = map_slab(class_index);
  stack_record* record = nullptr;
  {
    const std::lock_guard hold(mine.lock);
    if (mine.open == nullptr || mine.open->carved == mine.open->count) {
      mine.open = slab;
      slab->older = slabs_.load(base::relaxed);  // the exchange below decides
      while (!slabs_.compare_exchange_weak(slab->older, slab, base::release, base::relaxed)) {  // [stack.slab]
      }
      slab = nullptr;
    }
    record = mine.pop(guard_policy::guarded);
  }
  if (slab != nullptr) {  // another thread was quicker
    ::munmap(slab, slab->mapped_bytes);
  }
  return record;
}

std::size_t stack_pool::size_of(const stack& of) noexcept {
  return class_bytes(stack_slab::of(of.record)->class_index);
}

stack_pool_counts stack_pool::counts() const noexcept {
  stack_pool_counts sum;
  for (const size_class& one : classes_) {
    const std::lock_guard hold(one.lock);
    sum.taken += one.taken();
    sum.warm += one.warm.load(base::relaxed);
    sum.cold += one.cold;
  }
  sum.map_guards = map_guards_.load(base::relaxed);
  return sum;
}

void stack_pool::hold() noexcept {
  for (size_class& one : classes_) {
    one.lock.lock();
  }
}

void stack_pool::let_go() noexcept {
  for (size_class& one : classes_) {
    one.lock.unlock();
  }
}

void stack_pool::unmap() noexcept {
  if (const std::size_t taken = counts().taken; taken != 0) {
    base::fatal("stack_pool::unmap was called while ", taken, " stacks were taken; give them back first");
  }
  for (size_class& one : classes_) {
    const std::lock_guard hold(one.lock);
    for (auto& lists : one.free) {
      lists[0] = lists[1] = nullptr;
    }
    one.open = one.vacant = nullptr;
    one.warm.store(0, base::relaxed);
    one.carved = one.cold = one.least_warm = one.surplus = 0;
    one.deepest.store(0, base::relaxed);
  }
  for (stack_slab* slab = slabs_.exchange(nullptr, base::acquire); slab != nullptr;) {  // [stack.slab]
    stack_slab* older = slab->older;
    base::unpoison(slab, slab->mapped_bytes);
    ::munmap(slab, slab->mapped_bytes);
    slab = older;
  }
  map_guards_.store(0, base::relaxed);
}

}  // namespace martlet::detail
