#include "deadline_watch.hpp"

#include <mutex>

#include "run_queue.hpp"
#include "worker.hpp"

namespace martlet::detail {

deadline_watch::deadline_watch(scope& of, base::instant due, run_queue& queue) noexcept : of_(&of) {
  timer_.due = due;
  timer_.owner = &record_;
  host* here = current_host();
  const bool is_inside = here != nullptr && here->executor_ == &queue;
  host& keeper = is_inside ? *here : queue.some_host();
  timer_wheel& wheel = *static_cast<worker&>(keeper).timers_;
  record_.host_.store(&keeper, base::relaxed);  // published with the word
  {
    const std::lock_guard guard(wheel.lock_);
    record_.word_.store(tasklet::parked_on(wheel), base::release);  // [word.park]
    wheel.arm(timer_);
  }
  if (!is_inside) {
    queue.look_at_timers_of(keeper);
  }
}

bool deadline_watch::stop() noexcept {
  if (is_over_) {
    return true;
  }
  is_unwanted_ = true;
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
  const bool acts = !is_unwanted_;
  of.lock_.unlock();
  if (acts) {
    of.deadline_came();
  }
  of.lock_.lock();
  is_over_ = true;
  if (is_unwanted_) {
    of.one_ended(here);
  } else {
    of.lock_.unlock();
  }
}

}  // namespace martlet::detail
