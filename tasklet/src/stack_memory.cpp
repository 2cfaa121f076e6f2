#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stack_slab.hpp"

// How much memory stacks have: how deep they were used, and the pages of free ones, which go back to the system.
namespace martlet::detail {
namespace {

// Returns   how many bytes lie between the lowest page that is there and the end of [low, low + bytes).
std::size_t touched_bytes(std::byte* low, std::size_t bytes, std::size_t page) noexcept {
  std::array<unsigned char, 256> is_there;
  for (std::size_t from = 0; from < bytes; from += is_there.size() * page) {
    const std::size_t length = std::min(bytes - from, is_there.size() * page);
    if (::mincore(low + from, length, is_there.data()) != 0) {
      return 0;
    }
    const auto end = is_there.begin() + static_cast<std::ptrdiff_t>(length / page);
    const auto first = std::find_if(is_there.begin(), end, [](unsigned char c) { return (c & 1) != 0; });
    if (first != end) {
      return bytes - from - static_cast<std::size_t>(first - is_there.begin()) * page;
    }
  }
  return 0;
}

// Asks for all stacks of a slab at once. Guard pages are never there.
std::size_t deepest_in(const stack_slab& slab, std::size_t stack_bytes) {
  const std::size_t page = slab.page_bytes;
  const std::size_t pages = slab.stride(stack_bytes) / page;  // of a stack with its guard
  std::vector<unsigned char> is_there(slab.count * pages);
  if (::mincore(slab.first, is_there.size() * page, is_there.data()) != 0) {
    return 0;
  }
  std::size_t most = 0;
  for (std::size_t i = 0; i < slab.count; ++i) {
    const auto guard = is_there.begin() + static_cast<std::ptrdiff_t>(i * pages);
    const auto end = guard + static_cast<std::ptrdiff_t>(pages);
    const auto first = std::find_if(guard + 1, end, [](unsigned char c) { return (c & 1) != 0; });
    most = std::max(most, static_cast<std::size_t>(end - first) * page);
  }
  return most;
}

void note_depth(base::atomic<std::uint32_t>& deepest, std::size_t bytes) noexcept {
  std::uint32_t known = deepest.load(base::relaxed);
  while (known < bytes &&
         !deepest.compare_exchange_weak(known, static_cast<std::uint32_t>(bytes), base::relaxed)) {  // a maximum
  }
}

// When the kernel refuses, the pages merely stay.
//
// Each call interrupts the processors that run the process's other threads, which costs more than all else: so there is one
// for many, where there is a way (Linux 6.13). A bare number stands for the process itself, also in a child of fork.
void drop_pages(const iovec* spans, std::size_t count) noexcept {
  constexpr int this_process = -10'000;  // PIDFD_SELF
  if (count > 1 && ::syscall(SYS_process_madvise, this_process, spans, count, MADV_DONTNEED, 0) > 0) {
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    ::madvise(spans[i].iov_base, spans[i].iov_len, MADV_DONTNEED);
  }
}

}  // namespace

// Drops the pages of some stacks that nobody has, those given back last; notes before how deep one of each so many was used, this
// time and before.
//
// Returns   how many.
std::size_t stack_pool::cool(size_class& mine, std::size_t most, std::size_t depth_noted_of_each) noexcept {
  std::array<stack_record*, most_cooled_at_once> some;
  std::array<iovec, most_cooled_at_once> spans;
  std::size_t count = 0;
  std::size_t before = 0;
  {
    const std::lock_guard hold(mine.lock);
    before = mine.cooled;
    for (const bool is_guarded : {false, true}) {
      for (stack_record* record; count < std::min(most, some.size()); some[count++] = record) {
        record = mine.pop_from(is_guarded, true);
        if (record == nullptr) {
          break;
        }
      }
    }
    mine.cold += count;  // nobody has them, though they are in no list for a moment
    mine.cooled += count;
  }
  for (std::size_t i = 0; i < count; ++i) {  // without the lock: system calls
    const stack_slab& slab = *stack_slab::of(some[i]);
    const std::size_t stack_bytes = class_bytes(slab.class_index);
    std::byte* low = slab.low_of(some[i]->index, stack_bytes);
    if ((before + i) % depth_noted_of_each == 0) {
      note_depth(mine.deepest, touched_bytes(low, stack_bytes, slab.page_bytes));
    }
    spans[i] = {low, stack_bytes};
  }
  drop_pages(spans.data(), count);
  const std::lock_guard hold(mine.lock);
  for (std::size_t i = 0; i < count; ++i) {
    mine.push_cold(some[i]);
  }
  return count;
}

void stack_pool::begin_trim() noexcept {
  for (size_class& one : classes_) {
    const std::lock_guard hold(one.lock);
    one.surplus = std::exchange(one.least_warm, one.warm.load(base::relaxed));
  }
}

bool stack_pool::trim_some() noexcept {
  for (size_class& one : classes_) {
    const std::size_t count = cool(one, one.surplus, 1);
    one.surplus = count == 0 ? 0 : one.surplus - count;
    if (count != 0 || retire_slabs(one)) {
      return true;
    }
  }
  return false;
}

// The records of a slab none of whose stacks is used or has pages need none either. Such a slab is vacant: as new, but
// its guards are there. While the list is being walked who needs a stack may map one slab more than necessary.
bool stack_pool::retire_slabs(size_class& one) noexcept {
  stack_record* all = nullptr;
  {
    const std::lock_guard hold(one.lock);
    if (one.free[1][0] == nullptr) {
      return false;
    }
    bool finds_one = false;
    for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
      if (&classes_[slab->class_index] == &one && slab->carved != 0 && slab->cold == slab->carved &&
          (slab != one.open || slab->carved == slab->count)) {  // nobody can carve another one of it meanwhile
        slab->is_retiring = finds_one = true;
      }
    }
    if (!finds_one) {
      return false;
    }
    all = std::exchange(one.free[1][0], nullptr);
  }
  stack_record* kept = nullptr;
  stack_record** end = &kept;
  for (stack_record* record = all; record != nullptr; record = record->next) {
    if (!stack_slab::of(record)->is_retiring) {
      *end = record;
      end = &record->next;
    }
  }
  *end = nullptr;
  for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
    if (&classes_[slab->class_index] == &one && slab->is_retiring) {
      std::byte* second_page = reinterpret_cast<std::byte*>(slab) + slab->page_bytes;
      if (second_page < slab->first) {
        ::madvise(second_page, static_cast<std::size_t>(slab->first - second_page), MADV_DONTNEED);
      }
    }
  }
  const std::lock_guard hold(one.lock);
  *end = one.free[1][0];  // what was given back meanwhile; when nothing was kept that is all there is
  one.free[1][0] = kept;
  for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
    if (&classes_[slab->class_index] == &one && std::exchange(slab->is_retiring, false)) {
      one.carved -= slab->carved;
      one.cold -= slab->carved;
      slab->guarded = std::max(slab->guarded, slab->carved);
      slab->carved = slab->cold = 0;
      if (slab != one.open) {
        slab->next_vacant = std::exchange(one.vacant, slab);
      }
    }
  }
  return true;
}

bool stack_pool::has_warm() const noexcept {
  return std::any_of(classes_.begin(), classes_.end(),
                     [](const size_class& one) { return one.warm.load(base::relaxed) != 0; });
}

std::vector<stack_use> stack_pool::uses() const {
  std::vector<stack_use> all;
  for (std::size_t index = 0; index < class_count; ++index) {
    const size_class& one = classes_[index];
    stack_use sum{class_bytes(index), 0, one.deepest.load(base::relaxed)};
    bool is_there = false;
    for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
      if (slab->class_index == index) {
        is_there = true;
        sum.deepest = std::max(sum.deepest, deepest_in(*slab, sum.size));
      }
    }
    if (is_there) {
      const std::lock_guard hold(one.lock);
      sum.in_use = one.taken();
      all.push_back(sum);
    }
  }
  return all;
}

std::size_t stack_pool::high_water(const stack& of) noexcept {
  const stack_slab& slab = *stack_slab::of(of.record);
  return touched_bytes(of.low, class_bytes(slab.class_index), slab.page_bytes);
}

}  // namespace martlet::detail
