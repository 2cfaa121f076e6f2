#include "deadline_watch.hpp"

#include <mutex>

#include "run_queue.hpp"
#include "worker.hpp"

namespace martlet::detail {

deadline_watch::deadline_watch(scope& of, base::instant due, run_queue* queue) noexcept : of_(&of) {
  timer_.due = due;
  timer_.owner = &record_;
  host* here = current_host();
  if (here != nullptr && (queue == nullptr || here->executor_ == queue)) {
    is_armed_ = true;
    arm(*here);
    return;
  }
  // A timer belongs to a worker, and this thread is none: it is armed wherever the watch is run for the first time.
  record_.host_.store(&queue->some_host(), base::relaxed);  // published with the push
  queue->ready(&record_, &record_, here, turn::last);
}

void deadline_watch::arm(host& here) noexcept {
  timer_wheel& wheel = *static_cast<worker&>(here).timers_;
  record_.host_.store(&here, base::relaxed);
  const std::lock_guard guard(wheel.lock_);
  record_.word_.store(tasklet::parked_on(wheel), base::release);  // [word.park]
  wheel.arm(timer_);
}

bool deadline_watch::stop() noexcept {
  if (is_over_) {
    return true;
  }
  is_unwanted_ = true;
  if (timer_.wheel == nullptr) {
    return false;
  }
  const std::lock_guard guard(timer_.wheel->lock_);
  is_over_ = timer_.is_linked();
  timer_.wheel->disarm(timer_);
  return is_over_;
}

void deadline_watch::resume(void* frame) noexcept {
  host& here = *current_host();
  here.current_.store(nullptr, base::relaxed);  // it may be gone soon, and is nobody's to ask about
  static_cast<deadline_watch*>(frame)->run(here);
}

void deadline_watch::run(host& here) noexcept {
  scope& of = *of_;
  of.lock_.lock();
  if (!is_armed_ && !is_unwanted_) {
    is_armed_ = true;
    arm(here);  // once the lock is free it may run again, elsewhere
    of.lock_.unlock();
    return;
  }
  const bool acts = !is_unwanted_;
  of.lock_.unlock();
  if (acts) {
    of.deadline_came();
  }
  of.lock_.lock();
  is_over_ = true;
  const bool is_awaited = is_unwanted_;
  of.lock_.unlock();
  if (is_awaited) {
    of.one_ended(here);
  }
}

}  // namespace martlet::detail
