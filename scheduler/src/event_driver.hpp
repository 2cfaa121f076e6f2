#pragma once

#include <martlet/base/atomic.hpp>
#include <martlet/scheduler/driver.hpp>

namespace martlet::detail {

/// Sleeps on an eventfd, so that an event loop can watch it in its worker's place.
///
/// Memory orders: [event.notify] what the notifier wants to be found, then `told_`; the worker looks after it has taken
/// `told_` back.
class event_driver final : public driver {
 public:
  /// Throws    std::system_error.
  event_driver();
  ~event_driver() override;

  void wait(base::instant deadline) override;
  void poll() override {}
  void notify() noexcept override;
  int event_fd() const noexcept override { return event_; }

 private:
  int event_;
  base::atomic<bool> told_{false};
};

}  // namespace martlet::detail
