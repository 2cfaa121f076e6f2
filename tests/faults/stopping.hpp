#pragma once

#include <csignal>
#include <cstddef>
#include <ctime>
#include <functional>
#include <vector>

#include <pthread.h>

#include <doctest/doctest.h>

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>

#include "eventually.hpp"

/// Stops threads where they are, by a signal.
namespace martlet::testing {

using counter = base::atomic<int>;

inline constinit counter stopped{0};
inline constinit counter gone_on{0};
inline constinit counter holds{0};  // stopped threads stay so while it is 1

/// What stands for a stopped thread: it does nothing, wherever it was. After a minute it gives up, so that a test can fail.
inline void stop_here(int) {
  ++stopped;
  for (int i = 0; holds == 1 && i < 60'000; ++i) {
    const timespec nap{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&nap, nullptr);
  }
  ++gone_on;
}

/// Makes SIGUSR2 stop the thread that gets it.
class stopping_signal {
 public:
  stopping_signal() {
    struct sigaction what{};
    what.sa_handler = stop_here;
    what.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR2, &what, &before_);
    stopped = gone_on = 0;
    holds = 1;
  }
  stopping_signal(const stopping_signal&) = delete;
  stopping_signal& operator=(const stopping_signal&) = delete;
  ~stopping_signal() { ::sigaction(SIGUSR2, &before_, nullptr); }

 private:
  struct sigaction before_{};
};

/// Workers block signals; each of these opens this one.
inline void open_signal() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGUSR2);
  ::pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
}

/// The threads of a scheduler's workers, which can be stopped.
class stoppable_workers {
 public:
  /// Returns   what each of them calls at its start.
  std::function<void()> on_start() {
    return [this] {
      open_signal();
      lock_.lock();
      threads_.push_back(::pthread_self());
      lock_.unlock();
    };
  }

  /// Returns   all of them, once they have started.
  std::vector<pthread_t> threads(std::size_t count) {
    std::vector<pthread_t> there;
    REQUIRE(eventually([&] {
      lock_.lock();
      there = threads_;
      lock_.unlock();
      return there.size() == count;
    }));
    return there;
  }

 private:
  base::spin_lock lock_;
  std::vector<pthread_t> threads_;
};

}  // namespace martlet::testing
