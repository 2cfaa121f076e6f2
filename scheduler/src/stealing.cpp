#include "stealing.hpp"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/signals.hpp>
#include <martlet/base/topology.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/overflow_report.hpp>

namespace martlet::detail {
namespace {

constexpr int budget = 128;               // waits that may succeed at once before a tasklet yields
constexpr std::uint64_t poll_us = 50;     // between two looks at the driver of a busy worker
constexpr std::uint64_t probe_us = 1000;  // between two probes of a busy worker's queues
constexpr std::uint64_t short_us = 100;   // a wait in queues that need not be measured

// Returns   where each worker is to be pinned; nothing when none is.
std::vector<base::processor> places_of_workers(const scheduler_options& options, unsigned count) {
  std::vector<base::processor> places;
  if (options.pin_workers) {
    const std::vector<base::processor> usable = base::processors_in_order();
    if (usable.empty()) {
      throw misuse(
          "scheduler_options: pin_workers needs to know which processors this process may use, and the system "
          "does not tell (sched_getaffinity): leave it off");
    }
    for (unsigned i = 0; i < count; ++i) {
      places.push_back(usable[i % usable.size()]);
    }
  }
  return places;
}

void pin(std::thread& thread, unsigned index, unsigned number) {
  if (const int error = base::pin_thread(thread.native_handle(), number); error != 0) {
    throw std::system_error(error, std::generic_category(),
                            "scheduler_options: pin_workers is on, and worker " + std::to_string(index) +
                                " could not be pinned to processor " + std::to_string(number));
  }
}

}  // namespace

class stealing::outermost final : public scope_base {
 public:
  explicit outermost(stealing& pool) noexcept : pool_(pool) {}

  // Counted where it is spawned, without a virtual call.
  std::uintptr_t child_began(tasklet&) noexcept override { return reinterpret_cast<std::uintptr_t>(this); }

  bool keeps_errors() const noexcept override { return false; }

  void child_failed(std::exception_ptr failure, bool detached, site where) noexcept override {
    if (detached) {
      pool_.hear(failure, where);
    }
  }

  void child_ended(host& here, std::uintptr_t) noexcept override {
    pool_.tasklets().leave();
    worker::count(static_cast<worker&>(here).count_.ended);
  }

 private:
  stealing& pool_;
};

stealing::stealing(const scheduler_options& options, std::uint32_t longest_interval)
    : run_queue(options.most_tasklets),
      failure_listener(options.on_unhandled),
      options_(options),
      threads_wanted_(static_cast<unsigned>(options.workers)),
      longest_interval_(longest_interval),
      is_alone_(threads_wanted_ + static_cast<unsigned>(options.lent_threads) == 1),
      cycles_per_us_(base::cycles_per_microsecond()),
      patience_(static_cast<std::uint64_t>(options.spin.count()) * base::cycles_per_microsecond() / 1000),
      side_(static_cast<unsigned>(options.blocking_threads), options.blocking_idle),
      outermost_(std::make_unique<outermost>(*this)) {
  base::prepare_asymmetric_fences();
  base::register_fork_hook(hook_);
  keep_stacks_over_forks();
  const unsigned all = threads_wanted_ + static_cast<unsigned>(options.lent_threads);
  places_ = places_of_workers(options, threads_wanted_);
  workers_.reserve(all);
  for (unsigned i = 0; i < all; ++i) {
    workers_.push_back(std::make_unique<worker>(*this, idle_, is_alone_, i, i >= threads_wanted_));
  }
  for (auto& w : workers_) {
    w->seen_ticks_.resize(all);
    w->interval_ = longest_interval_;
    w->victims_ = victims_of(w->index_, all, places_);
    w->reports_overflow_ = options.report_overflow;
  }
  if (options.report_overflow) {
    report_overflows();
  }
  begin_listening();
}

void stealing::start() {
  threads_.reserve(threads_wanted_);
  try {
    const base::signals_blocked quiet;
    for (unsigned i = 0; i < threads_wanted_; ++i) {
      start_thread(*workers_[i]);
      if (!places_.empty()) {
        pin(threads_.back(), i, places_[i].number);
      }
    }
  } catch (...) {
    drain();
    throw;
  }
}

// A visit lasts until `on_worker_start` has run: it may spawn, and the end has to find that.
void stealing::start_thread(worker& w) {
  begin_visit();
  try {
    threads_.emplace_back([this, &w] { thread_main(w); });
  } catch (const std::system_error& e) {
    end_visit();
    throw std::system_error(e.code(),
                            "martlet: the thread of worker " + std::to_string(w.index_) +
                                " could not be started; ask for fewer workers, or allow more threads (ulimit -u, "
                                "the control group's pids.max)");
  } catch (...) {
    end_visit();
    throw;
  }
}

stealing::~stealing() {
  drain();
  end_listening();
}

bool stealing::owns(const host* there) const noexcept {
  return std::any_of(workers_.begin(), workers_.end(), [there](const auto& w) { return w.get() == there; });
}

// ---- entering work

void stealing::ready(tasklet* who, tasklet* root, host* here, turn when) noexcept {
  if (root->is_pinned_) [[unlikely]] {
    auto* home = static_cast<worker*>(root->at());
    if (home == here) {
      home->put_pinned(who);
    } else {
      visitors_.fetch_add(1, base::relaxed);
      home->put_into_inbox(who);
      visitors_.fetch_sub(1, base::release);  // [visitor.leave]
    }
    return;
  }
  if (here == nullptr || here->executor_ != this) {
    inject(who);
    return;
  }
  auto& w = static_cast<worker&>(*here);
  if (when != turn::last) {
    w.put_next(who);
  } else {
    w.put_last(who);
  }
  share(w);
}

void stealing::spawn(tasklet* who, host& here) {
  auto& w = static_cast<worker&>(here);
  if (who->link_ == 0) {
    who->link_ = reinterpret_cast<std::uintptr_t>(static_cast<scope_base*>(outermost_.get()));
    worker::count(w.count_.spawned);
  }
  who->host_.store(&w, base::relaxed);
  begin_life(who, &w);
  w.put_fresh(who);
  share(w);
}

void stealing::spawn_from_outside(tasklet* who) {
  if (who->link_ == 0) {
    who->link_ = reinterpret_cast<std::uintptr_t>(static_cast<scope_base*>(outermost_.get()));
    foreign_spawned_.fetch_add(1, base::relaxed);
  }
  who->host_.store(workers_.front().get(), base::relaxed);
  begin_life(who, nullptr);
  inject(who);
}

void stealing::scope_filled() noexcept {
  if (host* here = current_host(); here != nullptr && here->executor_ == this) {
    worker::count(static_cast<worker*>(here)->count_.scopes_filled);
  } else {
    foreign_filled_.fetch_add(1, base::relaxed);
  }
}

// Tasklets end on workers; but for one that comes when all is over, and nobody counts any more.
void stealing::scope_emptied() noexcept {
  if (host* here = current_host(); here != nullptr && here->executor_ == this) {
    worker::count(static_cast<worker*>(here)->count_.scopes_emptied);
  }
}

inline void stealing::begin_life(tasklet* who, host* here) {
  who->word_.store(tasklet::bits(tag::runnable),
                   base::release);  // [word.spawn] [end.look] the record, for whoever walks the slabs
  base::light_fence();
  if (phase_.load(base::relaxed) > phase::closed) [[unlikely]] {  // [end.look]
    spawn_late(who, here);
  }
}

// What is spawned inside while everything is cancelled is cancelled too. Where nothing runs any more it has ended already.
void stealing::spawn_late(tasklet* who, host* here) {
  if (phase_.load(base::relaxed) < phase::over) {
    who->cancel_.fetch_or(cancel::from_the_start, base::relaxed);  // it is in no queue yet
    return;
  }
  const std::uintptr_t link = who->link_;
  scope_base& owner = owner_of(link);
  who->lock_.lock();
  if (membership::is_in(link)) {
    membership::of(link).leave(*who);
  }
  who->word_.store(tasklet::bits(tag::failed),
                   base::release);  // [word.finish] it never started; its handle destroys it
  who->lock_.unlock();
  owner.child_ended(here != nullptr ? *here : some_host(), link);
  require_own_process("spawn");
  throw misuse("spawn: on_worker_stop is too late for a tasklet: the workers of this scheduler have stopped");
}

// Apart, so that the queue's code does not weigh on the callers' common path. Once the tasklet is in the queue it may run
// and end, and the scheduler with it, if that did not wait for visitors.
[[gnu::noinline]] void stealing::inject(tasklet* who) noexcept {
  visitors_.fetch_add(1, base::relaxed);  // before the push, which publishes it
  if (!injector_.try_push(who)) [[unlikely]] {
    const std::lock_guard guard(unqueued_.lock);
    unqueued_.items.push_back(who);
    unqueued_.count.fetch_add(1, base::seq_cst);  // [sleep.look]
  }
  wake_one(nullptr);
  visitors_.fetch_sub(1, base::release);  // [visitor.leave]; the last touch
}

// Called by an owner that has just queued something. Whoever is idle must get to know, but not too soon: a wake costs as
// much as five hundred spawns. While a watcher naps nearby, it will come by itself. What joins others that they have been
// told of needs no telling of its own (README.md, a watcher).
void stealing::share(worker& w) noexcept {
  if (somebody_idle() && !is_alone_ && !(w.is_noticed_ && !w.shared_.empty())) [[unlikely]] {
    share_with_idle(w);
  }
}

[[gnu::noinline]] void stealing::share_with_idle(worker& w) noexcept {
  if (w.is_finding_) {
    return;  // its own timers or sockets had something: it takes that itself, and looks for a watcher then
  }
  if (!w.offer_some()) {  // to offer is a fence too
    if (w.is_noticed_) {
      return;
    }
    base::full_fence();  // [sleep.watch]
  }
  w.is_noticed_ = true;
  if (napping_.load(base::seq_cst) == 0 && searching_.load(base::relaxed) == 0) {  // [sleep.watch]
    wake_one(&w);
  }
}

// A waker that finds nobody asleep has held the search for a moment. Who went to sleep in that moment has not looked at what
// is offered, and another waker has left the waking to it: so it looks for sleepers once more (README.md, W4). A guest is
// told and counts as awake, but is not relied on: the search is not left to it.
void stealing::wake_one(worker* waker) noexcept {
  using state = worker::sleep_state;
  bool told_guest = false;
  do {
    if (idle_.load(base::seq_cst) == 0 || searching_.load(base::seq_cst) != 0) {  // [sleep.look] [search.end]
      return;
    }
    std::uint32_t nobody_searches = 0;
    if (!searching_.compare_exchange_strong(nobody_searches, 1, base::relaxed)) {
      return;
    }
    for (auto& w : workers_) {
      auto now = w->sleep_.load(base::relaxed);
      if (now == state::awake || (now == state::outside && told_guest) ||
          !w->sleep_.compare_exchange_strong(now, state::awake, base::acq_rel)) {  // [sleep.wake]
        continue;
      }
      w->driver_.load(base::acquire)->notify();  // [driver.install]
      if (waker != nullptr) {
        worker::count(waker->count_.wakes);
      } else {
        foreign_wakes_.fetch_add(1, base::relaxed);
      }
      if (now != state::outside) {
        return;  // the search is the woken one's now
      }
      told_guest = true;
    }
    searching_.store(0, base::seq_cst);  // [search.end]
  } while (std::any_of(workers_.begin(), workers_.end(), [told_guest](const auto& w) {
    const auto now = w->sleep_.load(base::seq_cst);  // [sleep.look]
    return now != state::awake && !(now == state::outside && told_guest);
  }));
}

// ---- how long what is queued waits

// Not where it is plain that the wait is short: a probe between two partners that take turns would part them.
//
// Takes     how long the last turns took, and how many they were.
void stealing::probe_queue(worker& w, std::uint64_t now, std::uint64_t time, std::uint32_t turns) noexcept {
  if (now - w.last_probe_ < probe_us * cycles_per_us_) {
    return;
  }
  w.last_probe_ = now;
  if (w.private_size() * (time / turns) < short_us * cycles_per_us_) {
    w.probe_.forget();
  } else if (tasklet* probe = w.probe_.send(w); probe != nullptr) {
    w.put_last(probe);
  }
}

std::chrono::nanoseconds stealing::queue_wait() const noexcept {
  const std::uint64_t now = base::cycles();
  std::uint64_t longest = injected_probe_.waited(now);
  for (const auto& w : workers_) {
    // What sleeps has nothing queued, whatever its last probe said, which may have arrived elsewhere since.
    if (w->is_occupied_.load(base::relaxed) && w->sleep_.load(base::relaxed) == worker::sleep_state::awake) {
      longest = std::max(longest, w->probe_.waited(now));
    }
  }
  return std::chrono::nanoseconds(longest * 1000 / cycles_per_us_);
}

// What comes from outside waits in the injector, which is probed when somebody asks.
bool stealing::is_overloaded() noexcept {
  if (options_.longest_queue_wait == std::chrono::nanoseconds::zero()) {
    return false;
  }
  if (injector_.seems_empty()) {
    injected_probe_.forget();
  } else if (tasklet* probe = injected_probe_.send(some_host()); probe != nullptr) {
    inject(probe);
  }
  return queue_wait() > options_.longest_queue_wait;
}

// ---- the loop

inline void stealing::begin_turn(worker& w, tasklet* root) noexcept {
  root->host_.store(&w, base::relaxed);
  w.current_.store(root, base::relaxed);
  w.ticks_.store(w.ticks_.load(base::relaxed) + 1, base::relaxed);
  w.budget_ = budget;
}

// What is not simply the next one's turn is left to the loop: a look around, work to be offered, a thread to be detached.
tasklet* stealing::rotate(tasklet* who, tasklet* root, host& here) noexcept {
  auto& w = static_cast<worker&>(here);
  if (w.until_look_ == 1 || root->is_pinned_ || w.detach_ != nullptr || somebody_idle()) [[unlikely]] {
    return nullptr;
  }
  tasklet* next = w.rotate(who);
  if (next == nullptr) [[unlikely]] {
    return nullptr;
  }
  --w.until_look_;
  begin_turn(w, next->root());
  return next;
}

[[gnu::always_inline]] inline bool stealing::resume_transferred(worker& w) noexcept {
  tasklet* who = w.transfer_;
  if (who == nullptr) {
    return false;
  }
  w.transfer_ = nullptr;
  who->resume();
  return true;
}

// Inlined into the loop, which never returns: a fiber's switch comes back by a jump, after which the processor predicts
// every return wrong that answers a call made before.
[[gnu::always_inline]] inline void stealing::dispatch(worker& w, tasklet* who) noexcept {
  tasklet* root = who->root();
  if (w.detach_ != nullptr && root->kind_ != kind::python) [[unlikely]] {
    w.detach_(w);
  }
  begin_turn(w, root);
  who->resume();
  // Twice, so that a child that is awaited and its parent are resumed from different places: the processor takes the place
  // of an indirect call into account when it guesses where it leads. With one place an await takes 5 ns more (Zen 4).
  while (resume_transferred(w) && resume_transferred(w)) {}
}

// Commands are obeyed when the worker looks around, which it does at once after it had nothing to do.
void stealing::loop(worker& w) {
  w.until_look_ = 1;
  for (;;) {
    tasklet* who = w.handoff_;
    if (--w.until_look_ == 0) [[unlikely]] {
      if (who != nullptr) {
        w.handoff_ = nullptr;
        ready(who, who->root(), &w, turn::next);
      }
      if (must_end(w)) {
        w.until_look_ = 1;
        return;
      }
      who = look_around(w);
    } else if (who != nullptr) {
      w.handoff_ = nullptr;
      dispatch(w, who);  // from a place of its own too
      continue;
    }
    if (who == nullptr) {
      who = w.take_local();
      if (who == nullptr) [[unlikely]] {
        who = find(w);  // leaves until_look_ at 1
        if (who == nullptr) {
          continue;
        }
      }
    }
    dispatch(w, who);
  }
}

// The loop of a thread that has more to do than this.
//
// Takes     whom to run first, null for whoever is next.
// Returns   true when it is time to look around, false when there is nothing left to run before that.
bool stealing::run_turns(worker& w, tasklet* who) {
  for (;;) {
    if (who == nullptr) {
      who = w.handoff_ != nullptr ? std::exchange(w.handoff_, nullptr) : w.take_local();
      if (who == nullptr) {
        return false;
      }
    }
    dispatch(w, who);
    who = nullptr;
    if (--w.until_look_ == 0) {
      return true;
    }
  }
}

// Every so many tasklets: the clock, the sockets, the foreign work, and the oldest of our own.
tasklet* stealing::look_around(worker& w) {
  const std::uint64_t now = base::cycles();
  const std::uint64_t passed = now - w.last_look_;
  const std::uint32_t turns = w.interval_;
  // Long tasklets must not make timers late, so the interval follows them.
  if (passed > 2 * poll_us * cycles_per_us_ && w.interval_ > 1) {
    w.interval_ /= 2;
  } else if (passed < poll_us * cycles_per_us_ && w.interval_ < longest_interval_) {
    w.interval_ *= 2;
  }
  w.until_look_ = w.interval_;
  w.last_look_ = now;
  if (now - w.last_poll_ > poll_us * cycles_per_us_) {
    w.last_poll_ = now;
    attend(w, true);
    attend_orphans(w);
    probe_queue(w, now, passed, turns);
  }
  if (w.offered_at_ != 0 && now - w.offered_at_ > young_us * cycles_per_us_) {
    // Offered and still there: worth a wake, unless thieves found our tasks too small lately.
    w.offered_at_ = 0;
    if (somebody_idle() && !w.shared_.empty() && now >= not_before_.load(base::relaxed)) {
      wake_one(&w);
    }
  }
  w.top_up();
  return take_first(w);
}

tasklet* stealing::take_first(worker& w) {
  if (tasklet* who = take_foreign(w); who != nullptr) {
    if (somebody_idle()) {
      keep_watch(w);  // it may be long, and its maker has woken only us
    }
    return who;
  }
  return w.take_oldest();
}

// By turns, so that pinned ones that only yield do not keep out what was spawned elsewhere.
tasklet* stealing::take_foreign(worker& w) {
  w.injected_turn_ = !w.injected_turn_;
  if (w.injected_turn_) {
    if (tasklet* who = take_injected(); who != nullptr) {
      return who;
    }
  }
  if (tasklet* pinned = w.take_pinned(); pinned != nullptr) {
    return pinned;
  }
  return take_injected();
}

tasklet* stealing::take_injected() {
  tasklet* who = nullptr;
  if (injector_.try_pop(who) || unqueued_.count.load(base::relaxed) == 0) [[likely]] {
    return who;
  }
  const std::lock_guard guard(unqueued_.lock);
  if (unqueued_.items.empty()) {
    return nullptr;
  }
  unqueued_.count.fetch_sub(1, base::relaxed);  // only the zero matters
  return unqueued_.items.pop_front();
}

void stealing::attend(worker& w, bool poll) {
  if (w.timers_->next() != base::never) {
    const base::instant now = base::now();
    if (w.timers_->next() <= now) {
      w.timers_->fire(now, current_host());
    }
  }
  if (poll) {
    driver* d = w.driver_.load(base::acquire);  // [driver.install] of another worker perhaps
    if (d->is_watching()) {
      d->poll();
    }
  }
}

// A lent thread that has left may leave timers and sockets behind; whoever looks around serves them.
void stealing::attend_orphans(worker& here) {
  if (orphans_.load(base::relaxed) == 0) [[likely]] {
    return;
  }
  for (auto& w : workers_) {
    if (w.get() != &here && !w->is_occupied_.load(base::relaxed) && w->attended_.try_lock()) {
      if (!w->is_occupied_.load(base::relaxed)) {
        attend(*w, true);
      }
      w->attended_.unlock();
    }
  }
}

base::instant stealing::next_event(const worker& w) const noexcept {
  base::instant soonest = w.timers_->next();
  if (orphans_.load(base::relaxed) != 0) [[unlikely]] {
    for (const auto& other : workers_) {
      if (!other->is_occupied_.load(base::relaxed)) {
        soonest = std::min(soonest, other->timers_->next());
        // Nothing wakes us for its sockets: one of those that sleep looks after them.
        if (other->driver_.load(base::acquire)->is_watching() && (w.index_ == 0 || threads_wanted_ == 0)) {
          soonest = std::min(soonest, base::now() + orphans_look);
        }
      }
    }
  }
  return soonest;
}

}  // namespace martlet::detail
