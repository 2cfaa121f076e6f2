#include <martlet/tasklet/held_locks.hpp>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/host.hpp>

// The sanitizers stand before these functions themselves; ThreadSanitizer tells of an unlock by another thread.
#if defined(NDEBUG) || MARTLET_ASAN || MARTLET_TSAN || !defined(__GLIBC__)

namespace martlet::detail {

void refuse_held_locks(const host&) noexcept {}

}  // namespace martlet::detail

#else

#include <array>
#include <ctime>

#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <unistd.h>

#include <martlet/base/atomic.hpp>
#include <martlet/base/check.hpp>

namespace martlet::detail {
namespace {

void write_text(std::string_view text) noexcept {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

// The C library's own function of that name, looked up once. No static of a function: its guard may lock a mutex.
template <class Function>
class real {
 public:
  constexpr explicit real(const char* name) noexcept : name_(name) {}

  template <class... Args>
  int operator()(Args... args) noexcept {
    void* found = found_.load(base::relaxed);  // whoever looks finds the same
    if (found == nullptr) {
      found = ::dlsym(RTLD_NEXT, name_);
      found_.store(found, base::relaxed);
    }
    return reinterpret_cast<Function*>(found)(args...);
  }

 private:
  const char* name_;
  base::atomic<void*> found_{nullptr};
};

int noted(int result, const void* lock, void* locked_at) noexcept {
  if (host* here = current_host(); here != nullptr && result == 0) {
    here->held_.note(lock, locked_at);
  }
  return result;
}

void forget(const void* lock) noexcept {
  if (host* here = current_host(); here != nullptr) {
    here->held_.forget(lock);
  }
}

using mutex_function = int(pthread_mutex_t*);
using timed_mutex_function = int(pthread_mutex_t*, const timespec*);
using clocked_mutex_function = int(pthread_mutex_t*, clockid_t, const timespec*);
using rwlock_function = int(pthread_rwlock_t*);
using timed_rwlock_function = int(pthread_rwlock_t*, const timespec*);
using clocked_rwlock_function = int(pthread_rwlock_t*, clockid_t, const timespec*);

constinit real<mutex_function> mutex_lock("pthread_mutex_lock");
constinit real<mutex_function> mutex_trylock("pthread_mutex_trylock");
constinit real<timed_mutex_function> mutex_timedlock("pthread_mutex_timedlock");
constinit real<clocked_mutex_function> mutex_clocklock("pthread_mutex_clocklock");
constinit real<mutex_function> mutex_unlock("pthread_mutex_unlock");
constinit real<rwlock_function> rwlock_rdlock("pthread_rwlock_rdlock");
constinit real<rwlock_function> rwlock_tryrdlock("pthread_rwlock_tryrdlock");
constinit real<timed_rwlock_function> rwlock_timedrdlock("pthread_rwlock_timedrdlock");
constinit real<clocked_rwlock_function> rwlock_clockrdlock("pthread_rwlock_clockrdlock");
constinit real<rwlock_function> rwlock_wrlock("pthread_rwlock_wrlock");
constinit real<rwlock_function> rwlock_trywrlock("pthread_rwlock_trywrlock");
constinit real<timed_rwlock_function> rwlock_timedwrlock("pthread_rwlock_timedwrlock");
constinit real<clocked_rwlock_function> rwlock_clockwrlock("pthread_rwlock_clockwrlock");
constinit real<rwlock_function> rwlock_unlock("pthread_rwlock_unlock");

}  // namespace

void refuse_held_locks(const host& here) noexcept {
  if (here.held_.empty()) {
    return;
  }
  std::array<void*, 64> stack;
  write_text("martlet: the lock was taken at\n");
  void* locked_at = here.held_.newest().locked_at;
  ::backtrace_symbols_fd(&locked_at, 1, STDERR_FILENO);
  write_text("martlet: and this waits, while it is held\n");
  ::backtrace_symbols_fd(stack.data(), ::backtrace(stack.data(), static_cast<int>(stack.size())), STDERR_FILENO);
  base::fatal(
      "a tasklet waits while it holds a lock of a thread (a std::mutex or another one of the system), which it could unlock "
      "on another thread, and which blocks the whole worker of who wants it meanwhile: unlock it before the wait, or use "
      "a martlet::mutex");
}

}  // namespace martlet::detail

// ---- in the place of the C library's

#define MARTLET_BEFORE_LOCK(name, parameters, arguments)             \
  int pthread_##name parameters noexcept {                           \
    using namespace martlet::detail;                                 \
    return noted(name arguments, lock, __builtin_return_address(0)); \
  }

extern "C" {

MARTLET_BEFORE_LOCK(mutex_lock, (pthread_mutex_t * lock), (lock))
MARTLET_BEFORE_LOCK(mutex_trylock, (pthread_mutex_t * lock), (lock))
MARTLET_BEFORE_LOCK(mutex_timedlock, (pthread_mutex_t * lock, const timespec* until), (lock, until))
MARTLET_BEFORE_LOCK(mutex_clocklock, (pthread_mutex_t * lock, clockid_t clock, const timespec* until),
                    (lock, clock, until))
MARTLET_BEFORE_LOCK(rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
MARTLET_BEFORE_LOCK(rwlock_tryrdlock, (pthread_rwlock_t * lock), (lock))
MARTLET_BEFORE_LOCK(rwlock_timedrdlock, (pthread_rwlock_t * lock, const timespec* until), (lock, until))
MARTLET_BEFORE_LOCK(rwlock_clockrdlock, (pthread_rwlock_t * lock, clockid_t clock, const timespec* until),
                    (lock, clock, until))
MARTLET_BEFORE_LOCK(rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
MARTLET_BEFORE_LOCK(rwlock_trywrlock, (pthread_rwlock_t * lock), (lock))
MARTLET_BEFORE_LOCK(rwlock_timedwrlock, (pthread_rwlock_t * lock, const timespec* until), (lock, until))
MARTLET_BEFORE_LOCK(rwlock_clockwrlock, (pthread_rwlock_t * lock, clockid_t clock, const timespec* until),
                    (lock, clock, until))

int pthread_mutex_unlock(pthread_mutex_t* lock) noexcept {
  martlet::detail::forget(lock);
  return martlet::detail::mutex_unlock(lock);
}

int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  martlet::detail::forget(lock);
  return martlet::detail::rwlock_unlock(lock);
}

}  // extern "C"

#undef MARTLET_BEFORE_LOCK

#endif
