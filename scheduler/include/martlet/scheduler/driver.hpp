#pragma once

#include <memory>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>

namespace martlet {

/// What an idle worker sleeps on, and what a busy one looks at now and then.
///
/// The default is a futex, which knows nothing but being notified; `net` puts a reactor here, so that a sleeping worker
/// is woken by its sockets. Implement it to sleep in an event loop of your own.
class driver {
 public:
  virtual ~driver() = default;

  /// Sleeps until it is notified, until something happens that it watches, or until `deadline`. Makes ready whatever
  /// can go on. A notification sent before the call ends the call at once.
  ///
  /// Threads   its worker.
  virtual void wait(base::instant deadline) = 0;

  /// Makes ready whatever can go on, without sleeping.
  ///
  /// Threads   its worker; another one while the worker is inside one tasklet for long, which may end at any moment: so
  ///           several at a time, and beside `wait`.
  virtual void poll() = 0;

  /// Returns   whether something other than a notification can happen: sockets are being watched.
  ///
  /// Threads   any; a hint.
  virtual bool is_watching() const noexcept { return false; }

  /// Ends the current `wait`, or the next one.
  ///
  /// Threads   any.
  virtual void notify() noexcept = 0;

  /// Says what an event loop can watch in the place of a thread that is in `wait` (`martlet::guest`).
  ///
  /// Returns   a descriptor that is readable (level-triggered) from when a `wait` would end, but for its deadline, until
  ///           a `wait` or a `poll` has seen to it; -1 when there is none, and then a guest cannot have this driver.
  virtual int event_fd() const noexcept { return -1; }
};

/// Sleeps on a futex.
class futex_driver final : public driver {
 public:
  void wait(base::instant deadline) override {
    while (told_.load(base::relaxed) == 0) {
      if (!base::futex_wait(told_, 0, deadline)) {
        break;
      }
    }
    // What was said is looked for by the caller, who knows all that was done before it, also by who said it just now: a
    // plain store would take that back unheard.
    static_cast<void>(told_.exchange(0, base::acquire));  // [driver.notify] model
  }

  void poll() override {}

  void notify() noexcept override {
    if (told_.exchange(1, base::release) == 0) {  // [driver.notify]
      base::futex_wake(told_);
    }
  }

 private:
  base::futex_word told_{0};
};

namespace detail {

struct host;

/// Returns   what the worker behind `here` sleeps on.
/// Threads   the worker's own.
driver& driver_of(host& here) noexcept;

/// Gives a worker something else to sleep on. The former driver stays alive, since it may still be notified.
///
/// Throws    std::bad_alloc; misuse for one without an `event_fd` where the worker is a guest.
/// Threads   the worker's own, while it runs a tasklet.
void install_driver(host& here, std::unique_ptr<driver> next);

}  // namespace detail

}  // namespace martlet
