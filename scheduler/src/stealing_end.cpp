#include "stealing.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <poll.h>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/check.hpp>
#include <martlet/base/signals.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/extras.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/handle.hpp>

// How all of it ends: asked to, in time, with the scheduler, or by a fork.
namespace martlet::detail {

// ---- what is not accepted any more

void stealing::admit() const {
  require_own_process("spawn");
  if (phase_.load(base::seq_cst) != phase::open) {  // [visitor.come]
    throw misuse(
        "spawn: this scheduler was stopped (by stop, shutdown or its end) and takes no more work from outside; spawn "
        "before that, or make another scheduler");
  }
}

void stealing::require_own_process(const char* what) const {
  if (!is_of_own_process()) {
    throw misuse(std::string(what) +
                 ": this scheduler was made by the parent of this process, and its threads stayed there; make a new "
                 "martlet::scheduler in the child of a fork");
  }
}

void stealing::go_to(phase next) noexcept {
  for (phase now = phase_.load(base::relaxed); now < next;) {
    if (phase_.compare_exchange_weak(now, next, base::seq_cst)) {  // [end.look]
      return;
    }
  }
}

// ---- a fork

// Called in the child. A thread that runs a tasklet goes on with it here, alone; once the tasklet waits or ends there is
// nobody who could do anything sensible.
void stealing::after_fork_in_child() noexcept {
  if (host* here = current_host(); here != nullptr) {
    auto& w = static_cast<worker&>(*here);
    static_cast<stealing*>(w.executor_)->left_by_fork(w);
  }
}

constinit base::fork_hook stealing::hook_{
    .order = 0, .before = []() noexcept {}, .in_parent = []() noexcept {}, .in_child = &stealing::after_fork_in_child};

void stealing::left_by_fork(worker& w) noexcept {
  phase_.store(phase::forked, base::relaxed);  // nobody else runs
  command_.store(command::forked, base::relaxed);
  w.until_look_ = 1;
}

// Whether a worker that may not go on leaves the loop now.
bool stealing::obeys(const worker& w) const noexcept {
  if (command_.load(base::relaxed) == command::forked) {  // written by this thread
    base::fatal(
        "a tasklet called fork, and then waited or ended in the child, where no other tasklet and no worker is: call exec "
        "or _exit there, or fork on a thread that runs no tasklets");
  }
  return !w.awaits_way_out_;
}

// ---- all tasklets

namespace {

bool is_alive(tag now) noexcept { return now == tag::runnable || now == tag::parked || now == tag::select; }

enum class attempt : std::uint8_t { done, again };

// Ends the present wait of a tasklet that was told to stop; its record is locked, so that it cannot end meanwhile. A core's
// lock is only tried: others lock a core and then want a record (a select over joins).
//
// Takes     where to put whom to make ready.
attempt try_end_wait(tasklet& who, tasklet*& wake) noexcept {
  auto word = who.word_.load(base::acquire);  // [word.park]
  if (tasklet::tag_of(word) == tag::select) {
    if (!who.word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::acquire,
                                           base::relaxed)) {  // [select.claim] as a canceller's
      return attempt::again;
    }
    wake = who.leaf();
  } else if (tasklet::tag_of(word) == tag::parked) {
    auto* core = reinterpret_cast<wait_core*>(word & ~tag_mask);
    if (core == &who) {
      return attempt::done;  // it joins itself, and its lock is ours: nobody can help it
    }
    if (!core->lock_.try_lock()) {
      return attempt::again;
    }
    const bool ours = who.word_.load(base::relaxed) == word;
    if (ours) {
      who.word_.store(tasklet::bits(tag::runnable), base::relaxed);
      wake = who.leaf();
    }
    core->lock_.unlock();
    return ours ? attempt::done : attempt::again;
  }
  return attempt::done;
}

attempt try_to_stop(tasklet& who, tasklet*& wake) noexcept {
  if (!tell_to_stop(&who, 0)) {
    return attempt::done;  // it stands behind a shield, or another canceller sees to it
  }
  const attempt result = try_end_wait(who, wake);
  stop_looking(who);
  return result;
}

}  // namespace

// Calls `visit(record)` for each tasklet of ours that has not ended, and `then()` without the lock. A tasklet ends under its
// record's lock, so it is there while `visit` runs, without a handle; and the memory is always a record's or a free slot's.
template <class Visit, class Then>
void stealing::for_each_alive(Visit visit, Then then) {
  frames().walk([&](free_slot* slot, std::size_t) {
    const auto seems_alive = [slot] {
      return is_alive(tasklet::tag_of(slot->word.load(base::acquire)));
    };  // [word.spawn]
    if (!seems_alive()) {
      return;
    }
    auto& who = *reinterpret_cast<tasklet*>(reinterpret_cast<std::byte*>(slot) + tasklet::frame_offset);
    attempt result = attempt::done;
    do {
      who.lock_.lock();
      // Only the addresses are compared: a host of another scheduler may be gone by now.
      const bool is_ours = seems_alive() && owns(who.at());
      result = is_ours ? visit(who) : attempt::done;
      who.lock_.unlock();
      if (is_ours) {
        then();
      }
      if (result == attempt::again) {
        base::cpu_pause();
      }
    } while (result == attempt::again);
  });
}

// Twice: who ran at the first look may have begun to wait without having seen that it was told. And fenced before, so
// that whoever was spawned without having been seen sees the phase.
void stealing::cancel_all() noexcept {
  host* here = current_host();
  for (int look = 0; look < 2; ++look) {
    base::heavy_fence();  // [end.look] [cancel.look]
    tasklet* wake = nullptr;
    for_each_alive([&](tasklet& who) { return try_to_stop(who, wake); },
                   [&] {
                     if (wake != nullptr) {
                       detail::ready(std::exchange(wake, nullptr), here);
                     }
                   });
  }
}

std::vector<survivor> stealing::survivors() {
  std::vector<survivor> all;
  site where;
  status state{};
  std::array<char, extras::name_size> name{};
  for_each_alive(
      [&](tasklet& who) {
        where = who.site_;
        state = status_of(who);
        const extras* own = extras_of(who);
        name = own != nullptr ? own->name : decltype(name){};
        return attempt::done;
      },
      [&] { all.push_back({.spawned_at = where, .name = name.data(), .state = state}); });
  return all;
}

// Whether nobody is alive: neither one that was spawned outside of any scope, nor a child of a scope object. All others are
// children of these, or theirs, in scopes that end before their parent does.
bool stealing::all_ended() const noexcept {
  // A tasklet is counted as spawned before it can end, so ends first: equal sums mean that nobody was alive between.
  std::uint64_t ended = 0;
  std::uint64_t spawned = 0;
  for (const auto& w : workers_) {
    ended += worker::counted(w->count_.ended) + worker::counted(w->count_.scopes_emptied);
  }
  spawned = foreign_spawned_.load(base::relaxed) + foreign_filled_.load(base::relaxed);
  for (const auto& w : workers_) {
    spawned += w->count_.spawned.load(base::relaxed) + w->count_.scopes_filled.load(base::relaxed);
  }
  return ended == spawned;
}

// Whether nothing is there that has to end, and nobody is about to bring more: who comes from outside is counted as a visitor
// before he looks at the phase, and until what he brought can be found.
bool stealing::seems_over() noexcept {
  return visitors_.load(base::seq_cst) == 0 && all_ended();  // [visitor.come]
}

// ---- the end

// [command.tell] what was done before is known to a worker that leaves its loop for it.
void stealing::tell(command what) noexcept {
  command_.store(what, base::seq_cst);  // [command.tell] [driver.install]
  for (auto& w : workers_) {
    w->driver_.load(base::seq_cst)->notify();  // [driver.install] model
  }
}

void stealing::stop() {
  require_own_process("stop");
  if (phase_.load(base::relaxed) < phase::cancelling) {
    go_to(phase::cancelling);
    cancel_all();
  }
}

// Threads that were lent and are gone left work behind; and somebody has to run what was spawned where nobody ever came.
//
// Returns   without having looked when another thread does, or ends it: it is called again.
void stealing::man_left_workers() {
  const std::unique_lock guard(ending_, std::try_to_lock);
  if (!guard.owns_lock() || phase_.load(base::relaxed) == phase::over) {
    return;
  }
  const bool is_deserted = threads_.empty() && running_.load(base::relaxed) == 0;
  for (auto& w : workers_) {
    if (!w->try_enter()) {
      continue;
    }
    if (w->was_lent_ || is_deserted) {
      w->leave_ = false;
      const base::signals_blocked quiet;
      try {
        start_thread(*w);
        w->is_manned_ = true;
      } catch (...) {
        w->let_in_others();
        throw;
      }
    } else {
      w->let_in_others();
    }
  }
}

// Looked at rather than told: being told would cost every tasklet's end something for the sake of the last.
//
// Returns   false when the time is over.
bool stealing::wait_for_end(base::instant deadline) {
  const auto own = std::find_if(workers_.begin(), workers_.end(), [](const auto& w) {
    return w->guest_thread_.load(base::relaxed) == std::this_thread::get_id();
  });
  base::instant pause = shortest_nap;
  for (;;) {
    if (seems_over()) {
      return true;
    }
    man_left_workers();  // a lent thread may have left just now
    const base::instant now = base::now();
    if (now >= deadline) {
      return false;
    }
    pause = std::min(2 * pause, longest_nap);
    if (own == workers_.end()) {
      base::futex_wait(changed_, changed_.load(base::relaxed), std::min(deadline, now + pause));
    } else if (!(*own)->seat_->poll({})) {  // nobody else may be there to run them
      pollfd one{.fd = (*own)->seat_->descriptor(), .events = POLLIN, .revents = 0};
      static_cast<void>(::poll(&one, 1, 1));
    }
  }
}

void stealing::end_threads() noexcept {
  const std::lock_guard guard(ending_);
  if (phase_.load(base::relaxed) == phase::over) {
    return;
  }
  go_to(phase::over);
  tell(command::stop);
  for (auto& t : threads_) {
    t.join();
  }
  threads_.clear();
  while (visitors_.load(base::relaxed) != 0) {
    std::this_thread::yield();
  }
  side_.stop();  // nobody is left who could call it: each call belongs to a tasklet that has not ended
}

shutdown_report stealing::shutdown(base::instant deadline, std::chrono::nanoseconds grace) {
  require_own_process("shutdown");
  if (current_host() != nullptr) {
    throw misuse(
        "shutdown: this thread runs tasklets, and would wait for itself; call stop() here, and shutdown on a thread that "
        "runs none");
  }
  go_to(phase::closed);
  man_left_workers();
  if (!wait_for_end(deadline)) {
    go_to(phase::cancelling);
    cancel_all();
    while (!wait_for_end(base::after(base::now(), grace))) {
      if (shutdown_report left{survivors()}; !left.is_complete()) {
        return left;
      }
      std::this_thread::yield();  // somebody is just bringing, or starting, something
    }
  }
  end_threads();
  return {};
}

void stealing::drain() noexcept {
  if (std::any_of(workers_.begin(), workers_.end(),
                  [](const auto& w) { return w->guest_thread_.load(base::relaxed) != std::thread::id(); })) {
    base::fatal("a scheduler was destroyed while a martlet::guest was there: destroy the guest first");
  }
  if (const host* here = current_host(); here != nullptr && here->executor_ == this) {
    base::fatal(
        "a scheduler was destroyed by a tasklet of its own, whose end it would wait for: call stop() there, and destroy it "
        "on a thread that runs none of its tasklets");
  }
  go_to(phase::cancelling);
  while (visitors_.load(base::relaxed) != 0) {  // most schedulers that end just after their start need no more
    std::this_thread::yield();
  }
  if (phase_.load(base::relaxed) != phase::over && !seems_over()) {
    try {
      man_left_workers();
      cancel_all();
      static_cast<void>(wait_for_end(base::never));
    } catch (const std::system_error& e) {
      base::fatal(
          "a scheduler was destroyed with tasklets that only a lent thread could run, and no thread could be "
          "started for them: ",
          e.what());
    }
  }
  end_threads();
  while (visitors_.load(base::acquire) != 0) {  // [visitor.leave] model: nobody touches this any more
    std::this_thread::yield();
  }
}

}  // namespace martlet::detail
