#include "stealing.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include <martlet/base/signal_stack.hpp>
#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/handle.hpp>

// Threads that come and go.
namespace martlet::detail {

void stealing::occupy(worker& w) {
  w.attended_.lock();
  w.is_occupied_.store(true, base::relaxed);  // a hint, but under the lock
  w.attended_.unlock();
  base::set_current(static_cast<host*>(&w));
  // Whoever is idle sees that one more works, or this one sees whoever is idle, although what it queues looks no closer.
  running_.fetch_add(1, base::relaxed);  // [sleep.enter]
  base::full_fence();                    // [sleep.enter] model
}

void stealing::vacate(worker& w) {
  if (w.detach_ != nullptr) {
    w.detach_(w);
  }
  w.attachment_ = nullptr;  // the thread's: at the end another one may take a lent thread's place
  w.current_.store(nullptr, base::relaxed);
  base::set_current(nullptr);
  w.carrier_ = nullptr;
  w.attended_.lock();
  w.is_occupied_.store(false, base::relaxed);
  w.attended_.unlock();
  running_.fetch_sub(1, base::relaxed);
  changed_.fetch_add(1, base::relaxed);
  base::futex_wake(changed_);
}

void stealing::thread_main(worker& w) {
  std::optional<base::signal_stack> for_faults;
  if (options_.report_overflow) {
    for_faults.emplace();
    w.stack_ = base::thread_stack::here();
  }
  carrier here;
  w.carrier_ = &here;
  occupy(w);
  if (options_.on_worker_start) {
    options_.on_worker_start();
  }
  end_visit();  // `start_thread`
  loop(w);
  if (options_.on_worker_stop) {
    options_.on_worker_stop();
  }
  w.stack_ = {};
  vacate(w);
}

namespace {

// Joins a tasklet on behalf of a lent thread: a frame of its own, pinned to the lent worker, whose turn comes when the
// tasklet has ended, and whose run lets the thread leave the loop.
struct way_out {
  explicit way_out(worker& where) noexcept : record(kind::thread, tasklet::on_stack{}), lent(&where) {
    record.host_.store(&where, base::relaxed);
    record.is_pinned_ = true;
  }

  void (*resume)(void*) = [](void* frame) {
    static_cast<way_out*>(frame)->lent->leave_ = true;
    static_cast<way_out*>(frame)->lent->until_look_ = 1;
  };
  void (*destroy)(void*) = nullptr;
  tasklet record;
  worker* lent;
};

}  // namespace

// Finds a place for the calling thread, on behalf of `what`; null when all are taken.
worker* stealing::find_place(const char* what) {
  require_own_process(what);
  if (current_host() != nullptr) {
    throw misuse(std::string(what) + ": this thread runs tasklets already; await the handle instead");
  }
  for (auto& w : workers_) {
    if (w->try_enter()) {
      w->leave_ = false;
      w->was_lent_ = true;
      return w.get();
    }
  }
  return nullptr;
}

void stealing::refuse_place(const char* what) {
  throw misuse(std::string(what) + ": as many threads as scheduler_options::lent_threads allows are inside already");
}

// What is ready here is for the others now; whoever looks around serves the timers and the sockets.
void stealing::leave_behind(worker& w) {
  while (tasklet* left = w.take_any()) {
    inject(left);
  }
  w.probe_.forget();
  const bool leaves_something = w.timers_->next() != base::never || w.driver_.load(base::relaxed)->is_watching();
  if (leaves_something) {
    const std::lock_guard guard(w.attended_);
    if (!std::exchange(w.is_orphan_, true)) {
      orphans_.fetch_add(1, base::relaxed);
    }
  }
  vacate(w);
  if (leaves_something) {
    wake_one(nullptr);  // those that sleep do not know of these timers
  }
  w.let_in_others();
}

// A sleeper publishes that it sleeps and then looks at its timers; here it is the other way round.
void stealing::look_at_timers_of(host& keeper) noexcept {
  auto& w = static_cast<worker&>(keeper);
  visitors_.fetch_add(1, base::relaxed);
  base::full_fence();                                                // [sleep.look]
  if (w.sleep_.load(base::seq_cst) != worker::sleep_state::awake) {  // [sleep.look]
    w.driver_.load(base::acquire)->notify();
  }
  const std::lock_guard guard(w.attended_);
  if (!w.is_occupied_.load(base::relaxed)) {
    if (!w.is_orphan_) {
      w.is_orphan_ = true;
      orphans_.fetch_add(1, base::relaxed);
    }
    wake_one(nullptr);
  }
  visitors_.fetch_sub(1, base::release);  // [visitor.leave]
}

void stealing::run_until(tasklet* who) {
  require_own_process("run_here");
  require_joinable(*who);
  if (current_host() == nullptr && has_ended(*who)) {
    return;
  }
  worker* place = find_place("run_here");
  if (place == nullptr) {
    const std::lock_guard guard(ending_);  // nobody is just looking which places to man
    place = find_place("run_here");
    if (place == nullptr &&
        std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->is_manned_; })) {
      return;  // the scheduler's end was quicker and runs it: the caller has but to wait
    }
  }
  if (place == nullptr) {
    refuse_place("run_here");
  }
  worker& lent = *place;
  carrier here;
  lent.carrier_ = &here;
  way_out out(lent);
  end_operation end(*who);
  if (!end.prepare(&out.record)) {
    lent.let_in_others();
    return;
  }
  std::optional<base::signal_stack> for_faults;
  if (options_.report_overflow) {
    for_faults.emplace();
  }
  occupy(lent);
  lent.awaits_way_out_ = true;  // also when the threads are told to end: `out` is queued somewhere
  end.publish();
  loop(lent);
  lent.awaits_way_out_ = false;
  {
    const std::lock_guard guard(who->lock_);
    end.result();  // the join that follows must not find this wait
  }
  leave_behind(lent);
}

scheduler_statistics stealing::statistics() const noexcept {
  scheduler_statistics sum;
  sum.spawned = foreign_spawned_.load(base::acquire);
  sum.wakes = foreign_wakes_.load(base::relaxed);
  for (const auto& w : workers_) {
    sum.spawned += w->count_.spawned.load(base::acquire);
    sum.ended += w->count_.ended.load(base::acquire);
    sum.resumed += w->ticks_.load(base::relaxed);
    sum.stolen += w->count_.stolen.load(base::relaxed);
    sum.borrowed += w->count_.borrowed.load(base::relaxed);
    sum.sleeps += w->count_.sleeps.load(base::relaxed);
    sum.naps += w->count_.naps.load(base::relaxed);
    sum.wakes += w->count_.wakes.load(base::relaxed);
  }
  sum.queue_wait = queue_wait();
  side_.add_to(sum);
  return sum;
}

}  // namespace martlet::detail
