#pragma once

#include "engine.hpp"
#include "progress.hpp"

#include <martlet/loadtest/results.hpp>
#include <martlet/loadtest/scenario.hpp>

namespace martlet::loadtest {

/// Keeps SIGINT and SIGTERM from ending the process, on this thread and those it starts, and tells of them by a
/// descriptor instead. Make it before the first thread.
class stop_signals {
 public:
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  int descriptor() const noexcept { return descriptor_; }

  /// Lets the next signal end the process in the usual way: for who has no patience.
  void release();

 private:
  int descriptor_;
  bool is_released_ = false;
};

/// Runs an engine to its end, or until a signal comes, and gathers what it measured.
///
/// Takes     the line to show each second; null for none.
run_results watch(engine& runner, const scenario& what, stop_signals& signals, progress* line);

/// Tells whether the generator itself was late so often that the figures are its own as much as the server's, and says so.
///
/// At a constant rate, more than 1% of the requests begun later than late_after makes the run saturated; that counts only
/// from the time at which a request should have begun to the time at which the generator got to it, so a slow server is
/// not to blame for it. In a closed model the same is a remark: its users start when the server lets them.
void judge_saturation(run_results& results, const scenario& what);

}  // namespace martlet::loadtest
