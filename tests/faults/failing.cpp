#include "failing.hpp"

#include <cstdlib>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <martlet/base/atomic.hpp>

namespace martlet::testing {
namespace {

// Of the one refusal that is in force. Threads that are not the test's own read them at any time, so all are seq_cst.
constinit base::atomic<bool> is_on{false};
constinit base::atomic<long> asked{0};
constinit base::atomic<bool> has_refused{false};
constinit resource wanted = resource::memory;
constinit refusing manner = refusing::once;
constinit long chosen = 0;
constinit int said_errno = 0;

bool refuses_now(resource what) noexcept {
  if (!is_on.load() || what != wanted) {
    return false;
  }
  const long number = asked.fetch_add(1) + 1;
  const bool is_refused = number == chosen || (number > chosen && manner == refusing::from_then_on);
  if (is_refused) {
    has_refused.store(true);
  }
  return is_refused;
}

int no_descriptor() noexcept {
  errno = said_errno;
  return -1;
}

}  // namespace

void refusal::begin() noexcept {
  wanted = what_;
  manner = how_;
  chosen = which_;
  said_errno = error_;
  is_on.store(true);
}

void refusal::end() noexcept { is_on.store(false); }

bool refusal::has_happened() const noexcept { return has_refused.load(); }

}  // namespace martlet::testing

using martlet::testing::resource;

// ---- memory. All forms: a sanitizer's own would not call each other.

namespace {

void* memory_or_null(std::size_t size) noexcept {
  return martlet::testing::refuses_now(resource::memory) ? nullptr : std::malloc(size != 0 ? size : 1);
}

void* memory_or_null(std::size_t size, std::align_val_t alignment) noexcept {
  const auto unit = static_cast<std::size_t>(alignment);
  return martlet::testing::refuses_now(resource::memory) ? nullptr
                                                         : std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
}

void* or_throw(void* memory) {
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace

using std::align_val_t, std::nothrow_t, std::size_t;

void* operator new(size_t size) { return or_throw(memory_or_null(size)); }
void* operator new[](size_t size) { return or_throw(memory_or_null(size)); }
void* operator new(size_t size, align_val_t unit) { return or_throw(memory_or_null(size, unit)); }
void* operator new[](size_t size, align_val_t unit) { return or_throw(memory_or_null(size, unit)); }
void* operator new(size_t size, const nothrow_t&) noexcept { return memory_or_null(size); }
void* operator new[](size_t size, const nothrow_t&) noexcept { return memory_or_null(size); }
void* operator new(size_t size, align_val_t unit, const nothrow_t&) noexcept { return memory_or_null(size, unit); }
void* operator new[](size_t size, align_val_t unit, const nothrow_t&) noexcept { return memory_or_null(size, unit); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, align_val_t, const nothrow_t&) noexcept { std::free(memory); }

// ---- what the linker sends here in place of the system's (--wrap)

extern "C" {

void* __real_mmap(void* where, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept;
int __real_mprotect(void* where, std::size_t bytes, int protection) noexcept;
int __real_madvise(void* where, std::size_t bytes, int advice) noexcept;
int __real_socket(int family, int type, int protocol) noexcept;
int __real_accept4(int fd, sockaddr* address, socklen_t* size, int flags);
int __real_epoll_create1(int flags) noexcept;
int __real_eventfd(unsigned count, int flags) noexcept;
int __real_timerfd_create(int clock, int flags) noexcept;

void* __wrap_mmap(void* where, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  if (martlet::testing::refuses_now(resource::memory)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return __real_mmap(where, bytes, protection, flags, fd, offset);
}

int __wrap_mprotect(void* where, std::size_t bytes, int protection) noexcept {
  if (martlet::testing::refuses_now(resource::memory)) {
    errno = ENOMEM;
    return -1;
  }
  return __real_mprotect(where, bytes, protection);
}

int __wrap_madvise(void* where, std::size_t bytes, int advice) noexcept {
  if (martlet::testing::refuses_now(resource::memory)) {
    errno = ENOMEM;
    return -1;
  }
  return __real_madvise(where, bytes, advice);
}

int __wrap_socket(int family, int type, int protocol) noexcept {
  return martlet::testing::refuses_now(resource::descriptors) ? martlet::testing::no_descriptor()
                                                              : __real_socket(family, type, protocol);
}

int __wrap_accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return martlet::testing::refuses_now(resource::descriptors) ? martlet::testing::no_descriptor()
                                                              : __real_accept4(fd, address, size, flags);
}

int __wrap_epoll_create1(int flags) noexcept {
  return martlet::testing::refuses_now(resource::descriptors) ? martlet::testing::no_descriptor()
                                                              : __real_epoll_create1(flags);
}

int __wrap_eventfd(unsigned count, int flags) noexcept {
  return martlet::testing::refuses_now(resource::descriptors) ? martlet::testing::no_descriptor()
                                                              : __real_eventfd(count, flags);
}

int __wrap_timerfd_create(int clock, int flags) noexcept {
  return martlet::testing::refuses_now(resource::descriptors) ? martlet::testing::no_descriptor()
                                                              : __real_timerfd_create(clock, flags);
}
}
