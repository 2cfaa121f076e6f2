#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <martlet/base/atomic.hpp>
#include <martlet/base/bias_lock.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/scheduler/driver.hpp>
#include <martlet/scheduler/guest.hpp>
#include <martlet/tasklet/host.hpp>

#include "queue_probe.hpp"
#include "ring_buffer.hpp"
#include "shared_ring.hpp"
#include "tasklet_list.hpp"
#include "timer_wheel.hpp"
#include "victims.hpp"

namespace martlet::detail {

/// One thread of a stealing scheduler, with its queues.
///
/// What is ready lies in one of five places:
///   slot    the tasklet that was woken last; runs next, so that two partners stay on one worker
///   fresh   spawned here, newest first: the child is warm, and the number of live frames stays small
///   woken   woken or yielded here, oldest first
///   shared  what is offered to the others: the oldest of the two above
///   pinned  what must run here, oldest first; an inbox before it takes what was made ready elsewhere
/// A sixth, `aside_`, is empty until there is no memory for one of these to grow.
/// The first three are private: the owner uses them under `queues_`, its own bias lock, which costs no atomic operation, and
/// a watcher that finds the owner inside one tasklet for long borrows the lock and takes from them.
class alignas(128) worker final : public host {
 public:
  worker(executor& pool, const base::atomic<std::uint32_t>& idle, bool alone, unsigned index, bool lent);

  static void count(base::atomic<std::uint64_t>& counter, std::uint64_t more = 1) noexcept {
    counter.store(counter.load(base::relaxed) + more, base::release);  // [count.end] only the owner adds
  }

  // What was done before it was counted is known to whoever reads the count.
  static std::uint64_t counted(const base::atomic<std::uint64_t>& counter) noexcept {
    return counter.load(base::acquire);  // [count.end]
  }

  // ---- for the owner

  void put_next(tasklet* who) noexcept;   // into the slot
  void put_last(tasklet* who) noexcept;   // behind all others
  void put_fresh(tasklet* who) noexcept;  // newest child

  /// Takes what should run now out of the private queues and what is offered; null when both are empty.
  tasklet* take_local() noexcept;

  /// Puts `who` behind all others and takes the next, in one go; `queues_` is held afterwards.
  ///
  /// Returns   null, with nothing done and nothing held, when the next may be another one than the oldest woken.
  tasklet* rotate(tasklet* who) noexcept;

  /// Takes the oldest that is there, so that nothing waits for ever behind newer work.
  tasklet* take_oldest() noexcept;

  /// Offers the older half of what is private, when there are at least two and nothing is offered yet.
  ///
  /// Returns   whether something new is offered.
  bool offer_some() noexcept { return private_size() >= 2 && shared_.empty() && offer_half(); }

  /// Offers more when thieves have taken some, before they come back: who found nothing would nap, and with long tasklets the
  /// owner's next turn is far.
  void top_up() noexcept {
    if (was_robbed_.load(base::relaxed)) [[unlikely]] {
      was_robbed_.store(false, base::relaxed);
      offer_half();
    }
  }

  /// Takes all that is here, for a thread that leaves.
  tasklet* take_any() noexcept;

  void put_pinned(tasklet* who) noexcept;  // behind the others that must run here

  /// Moves the inbox into the owner's queue and takes the oldest that must run here.
  tasklet* take_pinned() noexcept;

  // ---- for others

  /// Takes half of what is offered, at most `most`; 0 also when another thief was first.
  std::uint32_t rob(tasklet** items, std::uint32_t most) noexcept {
    const std::uint32_t got = shared_.take_half(items, most);
    if (got != 0) {
      was_robbed_.store(true, base::relaxed);
    }
    return got;
  }

  /// Puts a pinned tasklet here and wakes this worker if it sleeps.
  void put_into_inbox(tasklet* who) noexcept;

  /// Takes half of the private queues of a worker that does not get to them. Expensive: a membarrier.
  std::uint32_t borrow(tasklet** items, std::uint32_t most) noexcept;

  /// Gives back the arrays that the private queues have grown to, where they are empty. Expensive: a membarrier.
  ///
  /// Threads   any.
  void trim() noexcept;

  /// Takes the place of a lent worker for the calling thread. Whoever has it knows what the last one has done here.
  ///
  /// Returns   false when another thread is inside, or the worker is none of those.
  bool try_enter() noexcept {
    bool is_free = false;
    return is_lent_ &&
           is_lent_out_.compare_exchange_strong(is_free, true, base::acquire, base::relaxed);  // [lent.place] model
  }
  void let_in_others() noexcept { is_lent_out_.store(false, base::release); }  // [lent.place] model; the last touch

  std::size_t private_size() const noexcept { return fresh_.size() + woken_.size(); }
  bool has_private_work() const noexcept {
    return slot_.load(base::acquire) != nullptr || !fresh_.seems_empty() || !woken_.seems_empty();  // [queue.spell]
  }

  // ---- parts

  // `outside`: a guest, whose thread is in an event loop. Whoever wakes it cannot rely on its coming soon.
  enum class sleep_state : std::uint32_t { awake, napping, asleep, outside };

  const base::atomic<std::uint32_t>& idle_;  // of the pool: workers that search, nap or sleep
  const bool is_alone_;                      // nobody to share with, ever
  base::spin_lock attended_;                 // who serves driver and timers: the occupant, or for an orphan anybody
  base::atomic<bool> is_occupied_{false};    // a thread is in the loop
  base::atomic<bool> is_lent_out_{false};    // a thread has taken it
  bool is_manned_ = false;                   // by a thread of the scheduler's end; under `ending_`
  bool was_lent_ = false;                    // ever; of whoever has the place
  bool is_orphan_ = false;                   // was left with timers or sockets once
  bool is_guest_ = false;                    // an event loop drives it
  guest_seat* seat_ = nullptr;               // then its own; for the guest's thread
  base::atomic<std::thread::id> guest_thread_{};
  bool awaits_way_out_ = false;  // a thread in run_here, which does not leave before
  bool leave_ = false;           // a lent thread's way out; set by a tasklet pinned here
  bool is_finding_ = false;      // in `find`: has nothing to do
  bool has_search_ = false;      // holds the pool's one search
  bool injected_turn_ = false;   // injected and pinned tasklets take turns
  bool is_noticed_ = false;      // others were told since a private queue began to fill ([sleep.watch])

  base::atomic<std::uint64_t> ticks_{0};  // tasklets resumed; others read it to see whether it moves
  std::uint32_t interval_ = 64;           // ticks between looks at clock, driver and injector
  std::uint32_t until_look_ = 64;
  std::uint64_t last_look_ = 0;                     // in cycles
  std::uint64_t last_poll_ = 0;                     // in cycles
  std::uint64_t offered_at_ = 0;                    // in cycles; 0: nothing is offered, or somebody was woken for it
  base::atomic<std::uint64_t> offered_warm_at_{0};  // the same, if something of it has run here before; else 0

  // Counted by the owner with plain additions; others sum them up.
  struct counters {
    base::atomic<std::uint64_t> spawned{0}, ended{0}, stolen{0}, borrowed{0}, sleeps{0}, naps{0}, wakes{0};
    base::atomic<std::uint64_t> scopes_filled{0}, scopes_emptied{0};
  } count_;

  // Of one that has nothing to do.
  std::uint64_t searched_at_ = 0;     // in cycles: when its last search began
  bool has_tidied_ = false;           // was awake for the sake of free memory only
  base::instant kept_ = base::never;  // when it means to give memory back
  bool naps_ = false;                 // holds the watch
  base::instant nap_ = 0;             // how long its next nap is
  unsigned idle_naps_ = 0;            // how many more, while nobody works

  queue_probe probe_;             // of its private queues
  std::uint64_t last_probe_ = 0;  // in cycles

  // The thief's meter.
  std::uint64_t stole_at_ = 0;
  std::uint32_t stole_count_ = 0;
  std::uint64_t backoff_ = 0;
  std::vector<std::uint64_t> seen_ticks_;  // of the others, when it watched last
  std::uint64_t seen_at_ = 0;              // in cycles
  victim_groups victims_;                  // the nearest first

  alignas(128) base::atomic<sleep_state> sleep_{sleep_state::awake};
  base::atomic<std::uint32_t> inbox_size_{0};
  base::spin_lock inbox_lock_;
  tasklet_list inbox_;
  base::atomic<driver*> driver_;
  std::vector<std::unique_ptr<driver>> drivers_;  // the present one last; earlier ones may still be notified
  core_slot<timer_wheel> timers_;
  shared_ring<tasklet*> shared_;
  base::atomic<bool> was_robbed_{false};  // since the owner looked; a hint

 private:
  // How often in a row the slot may be run before the others get a turn.
  static constexpr std::uint32_t slot_cap = 64;

  tasklet* pop_oldest() noexcept { return !fresh_.empty() ? fresh_.pop_front() : woken_.pop_front(); }
  void offer(std::size_t count) noexcept;
  bool offer_half() noexcept;
  void offer_rest() noexcept;
  tasklet* take_last_resort() noexcept;

  void push(ring_buffer<tasklet*>& where, tasklet* who) noexcept {
    if (!where.push_back(who, [this] { is_noticed_ = false; })) [[unlikely]] {
      put_aside(who);
    }
  }
  [[gnu::cold]] void put_aside(tasklet* who) noexcept;

  alignas(128) base::atomic<tasklet*> slot_{nullptr};  // atomic only because a watcher glances at it
  std::uint32_t slot_runs_ = 0;
  ring_buffer<tasklet*> fresh_;
  ring_buffer<tasklet*> woken_;
  tasklet_list pinned_;       // nobody else ever looks into it, nor into the next
  tasklet_list aside_;        // what there was no memory for elsewhere; oldest first
  bool pinned_turn_ = false;  // pinned and others take turns
  bool only_woken_ = false;   // nothing of the owner's can come before the woken ones
};

// Each of these is inside the bias lock for as long as it touches what is private.

inline void worker::put_next(tasklet* who) noexcept {
  queues_.enter();
  if (tasklet* earlier = slot_.load(base::relaxed); earlier != nullptr) {
    push(woken_, earlier);
  } else {
    is_noticed_ = false;
  }
  slot_.store(who, base::relaxed);
  only_woken_ = false;
  queues_.leave();
}

inline void worker::put_last(tasklet* who) noexcept {
  queues_.enter();
  push(woken_, who);
  queues_.leave();
}

inline void worker::put_fresh(tasklet* who) noexcept {
  queues_.enter();
  push(fresh_, who);
  only_woken_ = false;
  queues_.leave();
}

inline void worker::put_pinned(tasklet* who) noexcept {
  pinned_.push_back(who);
  only_woken_ = false;
}

inline tasklet* worker::rotate(tasklet* who) noexcept {
  if (!only_woken_ || !queues_.try_enter()) [[unlikely]] {
    return nullptr;
  }
  tasklet* next = woken_.rotate(who);
  if (next == nullptr) [[unlikely]] {
    queues_.leave();
  }
  return next;
}

// Always inlined, into the loop above all: whether g++ does so by itself depends on how often it is used elsewhere.
[[gnu::always_inline]] inline tasklet* worker::take_local() noexcept {
  if (!pinned_.empty() && (pinned_turn_ = !pinned_turn_)) [[unlikely]] {
    return pinned_.pop_front();
  }
  queues_.enter();
  if (tasklet* who = slot_.load(base::relaxed); who != nullptr) {
    if (++slot_runs_ >= slot_cap && private_size() == 0) [[unlikely]] {
      slot_runs_ = 0;  // nobody waited for this turn
    }
    if (slot_runs_ < slot_cap) [[likely]] {
      slot_.store(nullptr, base::relaxed);
      queues_.leave();
      return who;
    }
    push(woken_, who);
    slot_.store(nullptr, base::release);  // [queue.spell] argued: it is in one of the two at each moment
  }
  slot_runs_ = 0;
  tasklet* who = nullptr;
  if (!fresh_.empty()) {
    who = fresh_.pop_back();
  } else if (!woken_.empty()) {
    who = woken_.pop_front();
    only_woken_ = pinned_.empty() && aside_.empty();
  }
  if (who != nullptr && idle_.load(base::relaxed) != 0 && !is_alone_ && shared_.empty() && private_size() != 0)
      [[unlikely]] {
    offer_rest();
  }
  queues_.leave();
  return who != nullptr ? who : take_last_resort();
}

}  // namespace martlet::detail
