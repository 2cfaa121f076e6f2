#include <martlet/scheduler/driver.hpp>

#include <utility>

#include <martlet/tasklet/errors.hpp>

#include "worker.hpp"

namespace martlet::detail {

driver& driver_of(host& here) noexcept { return *static_cast<worker&>(here).driver_.load(base::relaxed); }

// A worker that runs a tasklet is awake, so nobody has to wake it. Who began to notify it while it slept the last time
// may still hold the former driver, or be about to load this one; what he had to say was there before he looked at
// `sleep_`. So the first wait on the new driver is told beforehand: it returns at once, and the worker looks again. Who tells
// all to end looks at no `sleep_`: he stores the command and loads the driver, and the worker stores the driver and then loads
// the command, all seq_cst ([driver.install]), so that one of the two sees the other.
void install_driver(host& here, std::unique_ptr<driver> next) {
  auto& w = static_cast<worker&>(here);
  if (w.is_guest_ && next->event_fd() < 0) {
    throw misuse(
        "install_driver: this worker is a martlet::guest, whose event loop has to watch the driver; give the driver an "
        "event_fd(), or do this on a worker that is no guest");
  }
  driver& present = *next;
  w.drivers_.push_back(std::move(next));
  w.driver_.store(&present, base::seq_cst);  // [driver.install] model
  present.notify();
}

}  // namespace martlet::detail
