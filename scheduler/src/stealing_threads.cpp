#include "stealing.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include <martlet/base/signal_stack.hpp>
#include <martlet/base/signals.hpp>
#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/handle.hpp>

// Threads that come and go, and the end of all of them.
namespace martlet::detail {

// ---- threads that come and go

void stealing::occupy(worker& w) {
  w.attended_.lock();
  w.is_occupied_.store(true, base::release);
  w.attended_.unlock();
  base::set_current(static_cast<host*>(&w));
  running_.fetch_add(1, base::acq_rel);
}

void stealing::vacate(worker& w) {
  if (w.detach_ != nullptr) {
    w.detach_(w);
  }
  w.current_.store(nullptr, base::relaxed);
  base::set_current(nullptr);
  w.carrier_ = nullptr;
  w.attended_.lock();
  w.is_occupied_.store(false, base::release);
  w.attended_.unlock();
  running_.fetch_sub(1, base::acq_rel);
  changed_.fetch_add(1, base::release);
  base::futex_wake(changed_);
}

void stealing::thread_main(worker& w) {
  std::optional<base::signal_stack> for_faults;
  if (options_.report_overflow) {
    for_faults.emplace();
  }
  carrier here;
  w.carrier_ = &here;
  occupy(w);
  if (options_.on_worker_start) {
    options_.on_worker_start();
  }
  loop(w);
  if (options_.on_worker_stop) {
    options_.on_worker_stop();
  }
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

void stealing::run_until(tasklet* who) {
  if (current_host() != nullptr) {
    throw misuse("run_here: this thread is a worker already; await the handle instead");
  }
  worker* lent = nullptr;
  for (auto& w : workers_) {
    bool is_free = false;
    if (w->is_lent_ && w->is_lent_out_.compare_exchange_strong(is_free, true, base::acq_rel)) {
      lent = w.get();
      break;
    }
  }
  if (lent == nullptr) {
    throw misuse("run_here: as many threads as scheduler_options::lent_threads allows are inside already");
  }
  carrier here;
  lent->carrier_ = &here;
  lent->leave_ = false;
  lent->was_lent_ = true;
  way_out out(*lent);
  end_operation end(*who);
  if (end.prepare(&out.record)) {
    std::optional<base::signal_stack> for_faults;
    if (options_.report_overflow) {
      for_faults.emplace();
    }
    occupy(*lent);
    end.publish();
    loop(*lent);
    while (tasklet* left = lent->take_any()) {
      inject(left);
    }
    const bool leaves_something =
        lent->timers_->next() != base::never || lent->driver_.load(base::relaxed)->is_watching();
    if (leaves_something && !lent->is_orphan_) {
      lent->is_orphan_ = true;
      orphans_.fetch_add(1, base::relaxed);
    }
    vacate(*lent);
    if (leaves_something) {
      wake_one(nullptr);  // those that sleep do not know of these timers
    }
  }
  lent->is_lent_out_.store(false, base::release);
}

// ---- the end

void stealing::tell(command what) noexcept {
  command_.store(what, base::seq_cst);
  resumed_.fetch_add(1, base::release);
  base::futex_wake(resumed_, INT32_MAX);
  for (auto& w : workers_) {
    w->driver_.load(base::acquire)->notify();
  }
}

void stealing::obey(worker& w) {
  if (command_.load(base::acquire) != command::pause) {
    return;
  }
  if (w.detach_ != nullptr) {
    w.detach_(w);  // whoever paused us may need what is attached here
  }
  running_.fetch_sub(1, base::acq_rel);
  changed_.fetch_add(1, base::release);
  base::futex_wake(changed_);
  for (;;) {
    const std::uint32_t seen = resumed_.load(base::acquire);
    if (command_.load(base::acquire) != command::pause) {
      break;
    }
    base::futex_wait(resumed_, seen);
  }
  running_.fetch_add(1, base::acq_rel);
}

// With every worker paused no tasklet of ours runs, ends or begins; one that another scheduler readies only moves into
// a queue. So its record can be looked at without a handle.
void stealing::cancel_all() noexcept {
  frames().walk([this](free_slot* slot, std::size_t) {
    const auto now = tasklet::tag_of(slot->word.load(base::acquire));
    if (now != tag::runnable && now != tag::parked && now != tag::select) {
      return;
    }
    auto* who = reinterpret_cast<tasklet*>(reinterpret_cast<std::byte*>(slot) + tasklet::frame_offset);
    // Only the addresses are compared: a host of another scheduler may be gone by now.
    if (owns(who->at())) {
      if (now == tag::runnable) {
        who->cancel_.fetch_or(cancel::asked, base::relaxed);  // seen by its worker, which waits for us: no fence needed
      } else {
        request_cancel(who);
      }
    }
  });
}

bool stealing::all_ended() const noexcept {
  // A tasklet is counted as spawned before it can end, so ends first: equal sums mean that nobody was alive between.
  std::uint64_t ended = 0;
  std::uint64_t spawned = 0;
  for (const auto& w : workers_) {
    ended += w->count_.ended.load(base::acquire);  // [count.end]
  }
  spawned = foreign_spawned_.load(base::acquire);
  for (const auto& w : workers_) {
    spawned += w->count_.spawned.load(base::acquire);
  }
  return ended == spawned;
}

void stealing::drain() noexcept {
  if (draining_.exchange(true, base::seq_cst)) {
    return;
  }
  if (!all_ended()) {
    for (auto& w : workers_) {  // threads that were lent and are gone left work behind
      if (w->is_lent_ && (w->was_lent_ || threads_.empty())) {
        w->leave_ = false;
        const base::signals_blocked quiet;
        threads_.emplace_back([this, &lent = *w] { thread_main(lent); });
      }
    }
    tell(command::pause);
    for (;;) {
      const std::uint32_t seen = changed_.load(base::acquire);
      if (running_.load(base::acquire) == 0) {
        break;
      }
      base::futex_wait(changed_, seen, base::now() + longest_nap);
    }
    cancel_all();
    tell(command::run);
    // Looked at rather than told: being told would cost every tasklet's end something for the sake of the last.
    for (base::instant pause = shortest_nap; !all_ended(); pause = std::min(2 * pause, longest_nap)) {
      base::futex_wait(changed_, changed_.load(base::relaxed), base::now() + pause);
    }
  }
  tell(command::stop);
  for (auto& t : threads_) {
    t.join();
  }
  while (visitors_.load(base::acquire) != 0) {  // [visitor.leave]
    std::this_thread::yield();
  }
  side_.stop();  // nobody is left who could call it: each call belongs to a tasklet that has not ended
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
  side_.add_to(sum);
  return sum;
}

}  // namespace martlet::detail
