#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>

namespace martlet::detail {

/// An edge-triggered epoll with the means to interrupt it.
///
/// A descriptor is added once, for everything; each event is told once, to whoever harvests next.
///
/// Memory orders: [epoll.add] what the token leads to, then the descriptor is added; seen by who gets its first event.
///
/// Threads   any; of several that harvest, each event and each interrupt is told to one.
class epoll_set {
 public:
  /// Throws    std::system_error.
  explicit epoll_set(bool is_of_worker);
  epoll_set(const epoll_set&) = delete;
  epoll_set& operator=(const epoll_set&) = delete;
  ~epoll_set();

  /// Returns   the set of the worker whose thread this is, made at the first call; on other threads the one that a
  ///           thread of its own serves for them all. Null when it cannot be made.
  static epoll_set* of_this_thread() noexcept;

  /// Returns   0 or an errno.
  int add(int fd, std::uint64_t token) noexcept;
  void remove(int fd) noexcept;

  /// Waits until something happens, until it is interrupted or until `deadline`, and serves what has happened. A
  /// deadline in the past does not wait.
  ///
  /// Returns   whether it was interrupted.
  bool harvest(base::instant deadline) noexcept;

  /// Ends the present wait, or the next one.
  void interrupt() noexcept;

  /// Returns   the epoll itself, which is readable while there is something to harvest.
  int event_fd() const noexcept { return epoll_; }

  bool is_of_worker() const noexcept { return is_of_worker_; }
  bool is_empty() const noexcept { return count_.load(base::relaxed) == 0; }

 private:
  const bool is_of_worker_;
  int epoll_ = -1;
  int interrupts_ = -1;  // an eventfd that is never read: being edge-triggered, each write tells once
  base::atomic<std::uint32_t> count_{0};
};

}  // namespace martlet::detail
