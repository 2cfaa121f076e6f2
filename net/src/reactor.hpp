#pragma once

#include <martlet/base/atomic.hpp>
#include <martlet/scheduler/driver.hpp>
#include <martlet/tasklet/host.hpp>

#include "epoll_set.hpp"

namespace martlet::detail {

/// What a worker with sockets sleeps on. It takes the place of the futex when the worker first waits for a socket.
///
/// Memory orders: [reactor.notify] what the notifier wants to be found, then `told_`; the worker looks after it has
/// taken `told_` back.
class reactor final : public driver {
 public:
  explicit reactor(const host& owner) : owner_(&owner), set_(true) {}
  ~reactor() override;

  void wait(base::instant deadline) override;
  void poll() override;
  bool is_watching() const noexcept override { return !set_.is_empty(); }
  void notify() noexcept override;
  int event_fd() const noexcept override { return set_.event_fd(); }

  epoll_set& set() noexcept { return set_; }

 private:
  void take_back() noexcept;

  const host* const owner_;
  epoll_set set_;
  base::atomic<bool> told_{false};
};

}  // namespace martlet::detail
