#include <martlet/base/current.hpp>

namespace martlet::base {
namespace {

// Initial-exec: one load relative to the thread pointer instead of a call; eight bytes fit the loader's surplus even
// when the library is opened at run time.
[[gnu::tls_model("initial-exec")]] thread_local void* here = nullptr;

}  // namespace

[[gnu::noinline]] void* current() noexcept {
  void* value = here;
  asm volatile("" : "+r"(value)::"memory");
  return value;
}

[[gnu::noinline]] void set_current(void* value) noexcept {
  asm volatile("" : "+r"(value)::"memory");
  here = value;
}

}  // namespace martlet::base
