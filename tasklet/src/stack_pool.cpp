#include <martlet/tasklet/stack_pool.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <martlet/base/check.hpp>
#include <martlet/base/sanitizer.hpp>

namespace martlet::detail {

// The head of a slab; its records follow, then its stacks.
struct alignas(16) stack_slab {
  stack_slab* older;
  std::byte* first;  // the first guard page
  std::size_t mapped_bytes;
  std::size_t page_bytes;
  std::size_t class_index;
  std::uint32_t count;
  std::uint32_t carved;  // how many were ever handed out; under the class's lock

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

}  // namespace

stack_record* stack_pool::size_class::pop(guard_policy policy) noexcept {
  const std::size_t wanted = policy == guard_policy::guarded ? 1 : 0;
  for (const std::size_t is_guarded : {wanted, 1 - wanted}) {
    for (const std::size_t is_warm : {std::size_t{1}, std::size_t{0}}) {
      stack_record*& list = free[is_guarded][is_warm];
      if (stack_record* record = list; record != nullptr) {
        list = record->next;
        --(is_warm == 1 ? warm : cold);
        ++taken;
        return record;
      }
    }
  }
  if (open != nullptr && open->carved < open->count) {
    stack_record* record = open->records() + open->carved;
    record->index = open->carved++;
    ++taken;
    return record;
  }
  return nullptr;
}

stack stack_pool::take(std::size_t bytes, guard_policy policy) {
  if (bytes > largest_bytes) {
    throw std::invalid_argument("martlet: a stack of " + std::to_string(bytes) +
                                " bytes was asked for, the largest has " + std::to_string(largest_bytes) +
                                "; ask for less, or run this on a thread of its own");
  }
  const std::size_t units = bytes <= default_bytes ? 1 : std::bit_ceil(bytes) / default_bytes;
  const auto class_index = static_cast<std::size_t>(std::countr_zero(units));
  size_class& mine = classes_[class_index];
  stack_record* record = nullptr;
  {
    const std::lock_guard hold(mine.lock);
    record = mine.pop(policy);
  }
  if (record == nullptr) [[unlikely]] {
    record = take_fresh(class_index);
  }
  stack_slab& slab = *stack_slab::of(record);
  const std::size_t stack_bytes = class_bytes(class_index);
  std::byte* guard = slab.first + record->index * stride(slab, stack_bytes);
  std::byte* low = guard + slab.page_bytes;
  record->is_taken.store(true, base::relaxed);  // for reports only
  const stack result{low, low + stack_bytes - record->index % colours * cache_line, record};
  if (policy == guard_policy::guarded && !record->is_guarded.load(base::relaxed)) [[unlikely]] {  // ours alone now
    try {
      install_guard(record, guard, slab.page_bytes);
    } catch (...) {
      give_back(result);
      throw;
    }
  }
  base::unpoison(low, stack_bytes);
  return result;
}

void stack_pool::give_back(const stack& from) noexcept {
  stack_record* record = from.record;
  if (!record->is_taken.load(base::relaxed)) [[unlikely]] {  // only catches a bug; the lock orders what is no bug
    base::fatal("a fiber's stack was given back twice");
  }
  record->is_taken.store(false, base::relaxed);
  stack_slab& slab = *stack_slab::of(record);
  size_class& mine = classes_[slab.class_index];
  const std::size_t stack_bytes = class_bytes(slab.class_index);
  const bool is_guarded = record->is_guarded.load(base::relaxed);
  base::poison(from.low, stack_bytes);
  const auto push = [&](bool is_warm) {
    stack_record*& list = mine.free[is_guarded ? 1 : 0][is_warm ? 1 : 0];
    record->next = list;
    list = record;
    --mine.taken;
    ++(is_warm ? mine.warm : mine.cold);
  };
  {
    const std::lock_guard hold(mine.lock);
    if (mine.warm < options_.warm_bytes / stack_bytes) {
      push(true);
      return;
    }
  }
  // Outside the lock: a system call. When the kernel refuses, the pages merely stay.
  ::madvise(from.low, stack_bytes, MADV_DONTNEED);
  const std::lock_guard hold(mine.lock);
  push(false);
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
    std::byte* low = slab->first + record->index * step + slab->page_bytes;
    return guard_hit{{low, low + stack_bytes - record->index % colours * cache_line, record},
                     record->is_taken.load(base::relaxed)};
  }
  return std::nullopt;
}

stack_pool_counts stack_pool::counts() const noexcept {
  stack_pool_counts sum;
  for (const size_class& one : classes_) {
    const std::lock_guard hold(one.lock);
    sum.taken += one.taken;
    sum.warm += one.warm;
    sum.cold += one.cold;
  }
  sum.map_guards = map_guards_.load(base::relaxed);
  return sum;
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
    one.open = nullptr;
    one.warm = one.cold = 0;
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
