#include <martlet/base/fork.hpp>

#include <cstddef>
#include <mutex>
#include <new>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <martlet/base/sanitizer.hpp>
#include <martlet/base/spin_lock.hpp>

namespace martlet::base {
namespace {

// ---- the number of this process

constinit atomic<std::uint32_t> without_page{1};  // where the kernel cannot wipe; the hooks do it then
constinit atomic<atomic<std::uint32_t>*> number{nullptr};
constinit atomic<std::uint32_t> latest{1};  // copied by a fork, where the number is wiped

atomic<std::uint32_t>& make_number() noexcept {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  atomic<std::uint32_t>* made = &without_page;
  void* memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED && ::madvise(memory, page, MADV_WIPEONFORK) == 0) {
    made = ::new (memory) atomic<std::uint32_t>(latest.load(relaxed));
  }
  atomic<std::uint32_t>* first = nullptr;
  const bool is_first = number.compare_exchange_strong(first, made, release, acquire);  // [fork.number]
  if (memory != MAP_FAILED && (!is_first || made == &without_page)) {
    ::munmap(memory, page);
  }
  return is_first ? *made : *first;
}

// ---- the hooks

constinit spin_lock registering;
constinit fork_hook* first_hook = nullptr;  // by order; under the lock
constinit bool is_watching = false;         // under the lock

void call_before(fork_hook* from) noexcept {
  for (fork_hook* hook = from; hook != nullptr; hook = hook->next) {
    hook->before();
  }
}

void call_after(fork_hook* from, void (*fork_hook::*what)() noexcept) noexcept {
  if (from != nullptr) {
    call_after(from->next, what);
    (from->*what)();
  }
}

void before_fork() {
  registering.lock();
  call_before(first_hook);
}

void after_fork_in_parent() {
  call_after(first_hook, &fork_hook::in_parent);
  registering.unlock();
}

void after_fork_in_child() {
  tsan_look_away();
  number.load(relaxed)->store(0, relaxed);  // alone here; wiped already where the kernel can
  static_cast<void>(process_generation());
  call_after(first_hook, &fork_hook::in_child);
  tsan_look_again();
  registering.unlock();
}

}  // namespace

std::uint32_t process_generation() noexcept {
  atomic<std::uint32_t>* where = number.load(acquire);  // [fork.number]
  if (where == nullptr) [[unlikely]] {
    where = &make_number();
  }
  const std::uint32_t now = where->load(relaxed);  // nothing is published with it
  if (now != 0) [[likely]] {
    return now;
  }
  std::uint32_t wiped = 0;
  const std::uint32_t mine = latest.load(relaxed) + 1;
  if (where->compare_exchange_strong(wiped, mine, relaxed)) {
    latest.store(mine, relaxed);
    return mine;
  }
  return wiped;  // another thread of the child was quicker
}

bool is_only_thread() noexcept {
  struct stat folder{};
  return ::stat("/proc/self/task", &folder) == 0 && folder.st_nlink == 3;  // itself, its parent, one thread
}

void register_fork_hook_slowly(fork_hook& hook) noexcept {
  static_cast<void>(process_generation());
  const std::lock_guard guard(registering);
  if (hook.is_registered.load(relaxed)) {  // only changed under the lock
    return;
  }
  if (!is_watching) {
    is_watching = ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
  }
  fork_hook** at = &first_hook;
  while (*at != nullptr && (*at)->order < hook.order) {
    at = &(*at)->next;
  }
  hook.next = *at;
  *at = &hook;
  hook.is_registered.store(true, release);  // [fork.register]
}

}  // namespace martlet::base
