// A child process inherits the signal mask of the worker that starts it.
#include <csignal>
#include <cstdio>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken]
pid_t start(char* const* command) {
  pid_t child = 0;
  ::posix_spawn(&child, command[0], nullptr, nullptr, command, environ);  // SIGTERM stays blocked there
  return child;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
pid_t start(char* const* command) {
  sigset_t none;
  ::sigemptyset(&none);
  posix_spawnattr_t how;
  ::posix_spawnattr_init(&how);
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  ::posix_spawn(&child, command[0], nullptr, &how, command, environ);
  ::posix_spawnattr_destroy(&how);
  return child;
}
// [end]

}  // namespace fixed

// Starts a shell in a tasklet that asks itself to end. Returns whether it did, rather than go on.
bool ends_when_asked(martlet::scheduler& pool, pid_t (*start)(char* const*)) {
  char shell[] = "/bin/sh";
  char option[] = "-c";
  char script[] = "kill -TERM $$; exit 0";
  char* command[] = {shell, option, script, nullptr};
  return pool.block_on(pool.spawn([&]() -> martlet::task<bool> {
    co_return co_await martlet::blocking([&] {
      int status = 0;
      ::waitpid(start(command), &status, 0);
      return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
    });
  }));
}

int main() {
  martlet::scheduler pool(1);
  bool good = holds(!ends_when_asked(pool, broken::start), "a child that inherits the mask does not hear of SIGTERM");
  good &= holds(ends_when_asked(pool, fixed::start), "one with a mask of its own does");
  return good ? 0 : 1;
}
