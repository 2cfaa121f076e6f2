#include <martlet/base/thread_stack.hpp>

#include <cstddef>

#include <pthread.h>

namespace martlet::base {

thread_stack thread_stack::here() noexcept {
  thread_stack found;
  pthread_attr_t about;
  if (::pthread_getattr_np(::pthread_self(), &about) != 0) {
    return found;
  }
  void* low = nullptr;
  std::size_t bytes = 0;
  std::size_t guard = 0;
  if (::pthread_attr_getstack(&about, &low, &bytes) == 0 && ::pthread_attr_getguardsize(&about, &guard) == 0) {
    found = {.guard = static_cast<std::byte*>(low) - guard, .low = low, .high = static_cast<std::byte*>(low) + bytes};
  }
  ::pthread_attr_destroy(&about);
  return found;
}

}  // namespace martlet::base
