#pragma once

#include <csignal>
#include <string>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace martlet::testing {

/// How a child process ended, and what it wrote to standard error.
struct child_end {
  int status = 0;
  std::string errors;

  bool was_aborted() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
  bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool said(const char* text) const { return errors.find(text) != std::string::npos; }
};

/// Runs what is expected to end the process in a child of its own; a child that comes to its end exits with 0.
template <class F>
child_end in_child(F&& body) {
  int ends[2];
  if (::pipe(ends) != 0) {
    return {};
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::signal(SIGABRT, SIG_DFL);  // doctest's handlers report the child as a failed test
    std::signal(SIGSEGV, SIG_DFL);
    std::forward<F>(body)();
    ::_exit(0);
  }
  ::close(ends[1]);
  child_end end;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    end.errors.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  ::waitpid(child, &end.status, 0);
  return end;
}

}  // namespace martlet::testing
