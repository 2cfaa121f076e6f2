// A child of fork has one thread: the schedulers that it has copied are dead.
#include <cstdio>

#include <sys/wait.h>
#include <unistd.h>

#include <martlet/martlet.hpp>

#include <martlet/base/sanitizer.hpp>

#include "holds.hpp"

martlet::task<int> answer() {
  co_await martlet::yield();
  co_return 42;
}

namespace broken {

// [broken]
int run(martlet::scheduler& pool) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(pool.block_on(answer()));  // throws misuse: the workers stayed with the parent
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
int run(martlet::scheduler& pool) {
  const int before = pool.block_on(answer());
  const pid_t child = ::fork();
  if (child == 0) {
    martlet::scheduler own(1);
    ::_exit(own.block_on(answer()) == before ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}
// [end]

}  // namespace fixed

int main() {
#if MARTLET_TSAN
  return 0;  // it forbids threads in a child of a program with threads
#else
  const auto stopped = martlet::testing::in_child([] {
    martlet::scheduler pool(1);
    ::_exit(broken::run(pool) == 0 ? 0 : 1);
  });
  bool good = holds(stopped.exited_with(1) && stopped.said("this scheduler was made by the parent of this process"),
                    "the parent's scheduler is of no use in the child");
  martlet::scheduler pool(1);
  good &= holds(fixed::run(pool) == 0, "one of its own is");
  return good ? 0 : 1;
#endif
}
