#include <martlet/base/current.hpp>

// Initial-exec: one load relative to the thread pointer instead of a call; eight bytes fit the loader's surplus even
// when the library is opened at run time. It has a C name for the assembly that reads it, in whatever includes the header.
// Used: with LTO the compiler sees the whole program and nobody who reads it, and would leave out the stores.
extern "C" {
[[gnu::used, gnu::tls_model("initial-exec"), gnu::visibility("default")]] constinit thread_local void* martlet_current =
    nullptr;
}

namespace martlet::base {

#if !(defined(__x86_64__) && defined(__LP64__) && defined(__ELF__))
[[gnu::noinline]] void* current() noexcept {
  void* value = martlet_current;
  asm volatile("" : "+r"(value)::"memory");
  return value;
}

// Any thread-local of ours will do.
[[gnu::noinline]] const void* this_thread() noexcept {
  const void* self = &martlet_current;
  asm volatile("" : "+r"(self)::"memory");
  return self;
}
#endif

[[gnu::noinline]] void set_current(void* value) noexcept {
  asm volatile("" : "+r"(value)::"memory");
  martlet_current = value;
}

}  // namespace martlet::base
