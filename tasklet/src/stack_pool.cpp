#include <martlet/tasklet/stack_pool.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <martlet/base/check.hpp>
#include <martlet/base/sanitizer.hpp>
#include <martlet/base/valgrind.hpp>
#include <martlet/tasklet/errors.hpp>

namespace martlet::detail {

// The head of a slab; its records follow, then its stacks.
struct alignas(16) stack_slab {
  stack_slab* older;
  std::byte* first;  // the first guard page
  std::size_t mapped_bytes;
  std::size_t page_bytes;
  std::size_t class_index;
  std::uint32_t count;
  std::uint32_t carved;   // how many were handed out since it was vacant; under the class's lock, as all below
  std::uint32_t guarded;  // how many of the first have a guard from the time before
  std::uint32_t cold;     // stacks in the list of cold guarded ones
  bool is_retiring;       // all of them are, and are being taken out of there
  bool is_watched;        // valgrind knows its stacks; written once
  stack_slab* next_vacant;

  stack_record* records() noexcept { return reinterpret_cast<stack_record*>(this + 1); }

  static stack_slab* of(stack_record* record) noexcept {
    return reinterpret_cast<stack_slab*>(record - record->index) - 1;
  }
};

namespace {

constexpr int advice_guard_install = 102;  // MADV_GUARD_INSTALL, younger than Debian 12's headers
constexpr std::size_t slab_bytes = std::size_t{64} << 20;
constexpr std::size_t least_stacks_in_slab = 8;
constexpr std::size_t colours = 32;
constexpr std::size_t cache_line = 64;
constexpr std::size_t default_map_limit = 65530;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

std::size_t stride(const stack_slab& slab, std::size_t stack_bytes) noexcept { return slab.page_bytes + stack_bytes; }

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

[[noreturn]] void throw_system_error(int error, const std::string& sentence) {
  throw std::system_error(error, std::generic_category(), "martlet: " + sentence);
}

std::byte* low_of(const stack_slab& slab, std::size_t index, std::size_t stack_bytes) noexcept {
  return slab.first + index * stride(slab, stack_bytes) + slab.page_bytes;
}

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
  const std::size_t pages = stride(slab, stack_bytes) / page;  // of a stack with its guard
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
  ++cold;
  stack_slab::of(record)->cold += is_guarded == 1 ? 1 : 0;
}

// From here on a record that was popped is a stack that somebody has.
stack stack_pool::hand_out(stack_record* record) noexcept {
  const stack_slab& slab = *stack_slab::of(record);
  const std::size_t stack_bytes = class_bytes(slab.class_index);
  std::byte* low = low_of(slab, record->index, stack_bytes);
  record->is_taken.store(true, base::relaxed);  // for reports only
  base::unpoison(low, stack_bytes);
  if (slab.is_watched) [[unlikely]] {
    base::valgrind_fresh(low, stack_bytes);
  }
  return {low, low + stack_bytes - record->index % colours * cache_line, record};
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

// Makes the guard of a stack that was just popped, or gives the stack back.
void stack_pool::require_guard(stack_record* record) {
  const stack_slab& slab = *stack_slab::of(record);
  std::byte* low = low_of(slab, record->index, class_bytes(slab.class_index));
  try {
    install_guard(record, low - slab.page_bytes, slab.page_bytes);
  } catch (...) {
    give_back(hand_out(record));
    throw;
  }
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
  auto& free = mine.free[record->is_guarded.load(base::relaxed) ? 1 : 0];
  bool is_sample = false;
  {
    const std::lock_guard hold(mine.lock);
    if (const std::size_t warm = mine.warm.load(base::relaxed); warm < most_warm) [[likely]] {
      mine.warm.store(warm + 1, base::relaxed);
      record->next = std::exchange(free[1], record);
      return;
    }
    constexpr std::size_t sampled = 16;  // looking costs as much as the rest together
    is_sample = mine.cold % sampled == 0;
  }
  drop_pages(mine, *record, is_sample);  // outside the lock: system calls
  const std::lock_guard hold(mine.lock);
  mine.push_cold(record);
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
    throw_system_error(errno, "no room for " + std::to_string(count) + " more stacks of " +
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
    base::valgrind_stack(low_of(*slab, i, stack_bytes), stack_bytes);
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

// Makes the guard of a stack that the caller holds.
void stack_pool::install_guard(stack_record* record, std::byte* page, std::size_t page_bytes) {
  if (options_.light_guards && kernel_has_light_guards_.load(base::relaxed)) {  // a late answer costs one call
    if (::madvise(page, page_bytes, advice_guard_install) == 0) {
      record->is_guarded.store(true, base::relaxed);
      return;
    }
    if (errno != EINVAL) {
      throw_system_error(errno, "no memory for the guard page of another stack; run fewer fibers at once");
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
  throw_system_error(ENOMEM, "no guard page for another stack: " + std::to_string(map_guards_.load(base::relaxed)) +
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

std::size_t stack_pool::size_of(const stack& of) noexcept {
  return class_bytes(stack_slab::of(of.record)->class_index);
}

std::optional<stack_pool::guard_hit> stack_pool::guard_of(const void* address) const noexcept {
  const auto* where = static_cast<const std::byte*>(address);
  for (stack_slab* slab = slabs_.load(base::acquire); slab != nullptr; slab = slab->older) {  // [stack.slab]
    const std::size_t stack_bytes = class_bytes(slab->class_index);
    const std::size_t step = stride(*slab, stack_bytes);
    if (where < slab->first || where >= slab->first + slab->count * step) {
      continue;
    }
    const auto offset = static_cast<std::size_t>(where - slab->first);
    stack_record* record = slab->records() + offset / step;
    if (offset % step >= slab->page_bytes || !record->is_guarded.load(base::relaxed)) {  // same thread, or nobody's
      return std::nullopt;
    }
    std::byte* low = low_of(*slab, offset / step, stack_bytes);
    return guard_hit{{low, low + stack_bytes - offset / step % colours * cache_line, record},
                     record->is_taken.load(base::relaxed)};
  }
  return std::nullopt;
}

// Gives the pages of a stack back that nobody has; may note first how deep it was used. When the kernel refuses, they merely
// stay.
void stack_pool::drop_pages(size_class& mine, stack_record& record, bool notes_depth) noexcept {
  const stack_slab& slab = *stack_slab::of(&record);
  const std::size_t stack_bytes = class_bytes(slab.class_index);
  std::byte* low = low_of(slab, record.index, stack_bytes);
  if (notes_depth) {
    note_depth(mine.deepest, touched_bytes(low, stack_bytes, slab.page_bytes));
  }
  ::madvise(low, stack_bytes, MADV_DONTNEED);
}

void stack_pool::begin_trim() noexcept {
  for (size_class& one : classes_) {
    const std::lock_guard hold(one.lock);
    one.surplus = std::exchange(one.least_warm, one.warm.load(base::relaxed));
  }
}

bool stack_pool::trim_some() noexcept {
  constexpr std::size_t at_once = 32;
  for (size_class& one : classes_) {
    stack_record* taken[2] = {};  // [is guarded]
    std::size_t count = 0;
    {
      const std::lock_guard hold(one.lock);
      for (const std::size_t is_guarded : {std::size_t{0}, std::size_t{1}}) {
        stack_record*& list = one.free[is_guarded][1];
        for (; list != nullptr && one.surplus != 0 && count < at_once; ++count, --one.surplus) {
          stack_record* record = std::exchange(list, list->next);
          record->next = std::exchange(taken[is_guarded], record);
        }
      }
      const std::size_t left = one.warm.load(base::relaxed) - count;
      one.warm.store(left, base::relaxed);
      one.least_warm = std::min(one.least_warm, left);
      one.surplus = count == 0 ? 0 : one.surplus;
      one.cold += count;
    }
    if (count == 0) {
      if (retire_slabs(one)) {
        return true;
      }
      continue;
    }
    for (const std::size_t is_guarded : {std::size_t{0}, std::size_t{1}}) {
      for (stack_record* record = taken[is_guarded]; record != nullptr;) {
        stack_record* next = record->next;
        drop_pages(one, *record, true);
        const std::lock_guard hold(one.lock);
        record->next = std::exchange(one.free[is_guarded][0], record);
        stack_slab::of(record)->cold += is_guarded == 1 ? 1 : 0;
        record = next;
      }
    }
    return true;
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
