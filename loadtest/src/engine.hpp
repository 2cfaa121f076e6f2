#pragma once

#include <martlet/base/clock.hpp>
#include <martlet/loadtest/results.hpp>

#include <functional>

namespace martlet::loadtest {

/// Runs a scenario's users: what stands between a scenario and its figures.
///
/// The monitor starts one, reads its counts while it works, and stops it when the person in front of it says so.
/// Threads   one thread starts, stops and destroys it; the counts may be read from any.
class engine {
 public:
  virtual ~engine() = default;

  /// Starts the users.
  ///
  /// Takes     what to call once, on any thread, when the last user has ended by itself.
  virtual void start(std::function<void()> on_end) = 0;

  /// Ends the users where they are. Requests under way stay unanswered. Nothing is counted afterwards.
  virtual void stop() = 0;

  /// Waits until nothing of the users runs any more, which after their end takes no time.
  ///
  /// Throws    what went wrong in the engine itself.
  virtual void finish() = 0;

  /// Gives the counts so far; exact after the end.
  virtual tally counts() const = 0;

  /// Gives how many connections are open, more cheaply than `counts`.
  virtual std::uint64_t open_connections() const = 0;

  virtual unsigned workers() const = 0;
};

}  // namespace martlet::loadtest
