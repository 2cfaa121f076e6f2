#pragma once

#include <martlet/scheduler/scope.hpp>
#include <martlet/scheduler/timer.hpp>

namespace martlet::detail {

/// Waits for a scope's deadline: a tasklet whose frame is made by hand and lies beside its scope.
///
/// It is parked on a timer, runs when the time has come, and cancels what is inside of the scope. The scope ends only when
/// its timer is out of the wheel or it has run.
///
/// Threads   `stop`: the scope's tasklet. The rest: whoever runs it.
class deadline_watch {
 public:
  /// Takes     a time that has not come; the scheduler that is to watch.
  deadline_watch(scope& of, base::instant due, run_queue& queue) noexcept;
  deadline_watch(const deadline_watch&) = delete;
  deadline_watch& operator=(const deadline_watch&) = delete;

  /// Ends the waiting. Under the scope's lock.
  ///
  /// Returns   false when it is on its way to run; then it ends as a child of the scope does.
  bool stop() noexcept;

 private:
  static void resume(void* frame) noexcept;
  void run(host& here) noexcept;

  void (*resume_)(void*) = &deadline_watch::resume;
  void (*destroy_)(void*) = nullptr;
  tasklet record_{kind::thread, tasklet::on_stack{}};
  timer_node timer_;
  scope* of_;
  // Under the scope's lock.
  bool is_unwanted_ = false;  // the scope waits for it like for a child
  bool is_over_ = false;
};

}  // namespace martlet::detail
