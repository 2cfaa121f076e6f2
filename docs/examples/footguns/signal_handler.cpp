// A signal handler runs on the stack of whatever was interrupted: a fiber's has 64 KiB.
#include <csignal>
#include <cstddef>

#include <sys/resource.h>

#include <martlet/martlet.hpp>

#include <martlet/base/sanitizer.hpp>

#include "holds.hpp"

volatile std::size_t written = 0;

// [handler]
void sample(int) {
  volatile char report[48 << 10];  // a profiler's buffer
  for (volatile char& byte : report) {
    byte = 1;
  }
  written = written + sizeof report;
}
// [end]

namespace broken {

// [broken]
void install() {
  struct sigaction action{};
  action.sa_handler = sample;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPROF, &action, nullptr);
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
void install() {
  struct sigaction action{};
  action.sa_handler = sample;
  action.sa_flags = SA_RESTART | SA_ONSTACK;  // each worker has such a stack
  ::sigaction(SIGPROF, &action, nullptr);
}
// [end]

}  // namespace fixed

[[gnu::noinline]] void is_interrupted_deep_down() {
  volatile char local[24 << 10];
  for (volatile char& byte : local) {
    byte = 0;
  }
  std::raise(SIGPROF);
}

martlet::testing::child_end samples(void (*install)()) {
  return martlet::testing::in_child([install] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    install();
    martlet::scheduler pool(1);
    pool.block_on(pool.spawn(is_interrupted_deep_down));
    ::_exit(written == 0 ? 1 : 0);
  });
}

int main() {
#if MARTLET_ASAN || MARTLET_TSAN
  return 0;  // their own handlers come first, and their frames are larger
#else
  bool good = holds(!samples(broken::install).exited_with(0), "a large handler overflows a fiber's stack");
  good &= holds(samples(fixed::install).exited_with(0), "the worker's signal stack has room for it");
  return good ? 0 : 1;
#endif
}
