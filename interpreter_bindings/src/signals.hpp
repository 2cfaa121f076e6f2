#pragma once

#include <memory>

namespace martlet::python {

class run;

/// Lets Python's signal handlers run (Ctrl-C: KeyboardInterrupt) while the main thread sleeps as a worker of a run.
///
/// CPython notes a signal and handles it when the main thread next runs bytecode; an idle worker does not. So CPython's
/// wake-up descriptor is given to a thread of ours, which puts a piece of work that checks for signals into the lent
/// worker's inbox. On any thread but the main one it does nothing.
class signal_watch {
 public:
  explicit signal_watch(run& of);
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;
  ~signal_watch();

  /// Ends the watch, when the lent worker has left its loop.
  void stop();

 private:
  class watcher;

  std::unique_ptr<watcher> watcher_;
};

}  // namespace martlet::python
