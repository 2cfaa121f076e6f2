#pragma once

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <string>
#include <vector>

/// A program that a test runs, with what it prints.
class child_process {
 public:
  /// Takes     the program and its arguments; the most descriptors that it may open, 0 for as many as we may.
  explicit child_process(std::vector<std::string> arguments, rlim_t descriptors = 0) {
    REQUIRE(::pipe(out_) == 0);
    REQUIRE(::pipe(err_) == 0);
    std::vector<char*> raw;
    for (auto& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    id_ = ::fork();
    REQUIRE(id_ >= 0);
    if (id_ == 0) {
      ::dup2(out_[1], STDOUT_FILENO);
      ::dup2(err_[1], STDERR_FILENO);
      for (const int end : {out_[0], out_[1], err_[0], err_[1]}) ::close(end);
      if (descriptors != 0) {
        const rlimit limit{descriptors, descriptors};
        ::setrlimit(RLIMIT_NOFILE, &limit);
      }
      ::execv(raw[0], raw.data());
      ::_exit(127);
    }
    ::close(out_[1]);
    ::close(err_[1]);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process() {
    if (id_ > 0) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
    ::close(out_[0]);
    ::close(err_[0]);
  }

  void signal(int number) const { ::kill(id_, number); }

  /// Waits for its end. What it prints must fit into a pipe (64 KiB each).
  ///
  /// Returns   the exit code; minus the signal's number when one ended it.
  int wait() {
    int status = 0;
    REQUIRE(::waitpid(id_, &status, 0) == id_);
    id_ = -1;
    out = all_of(out_[0]);
    err = all_of(err_[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string out;
  std::string err;

 private:
  static std::string all_of(int from) {
    std::string text;
    char bytes[4'096];
    for (;;) {
      const auto got = ::read(from, bytes, sizeof(bytes));
      if (got <= 0) return text;
      text.append(bytes, static_cast<std::size_t>(got));
    }
  }

  pid_t id_ = -1;
  int out_[2]{};
  int err_[2]{};
};
