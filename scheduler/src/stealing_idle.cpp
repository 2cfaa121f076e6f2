#include "stealing.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/tasklet/memory_decay.hpp>

// What a worker does that has run out of work: it searches, naps and sleeps. README.md proves that no work is overslept.
namespace martlet::detail {
namespace {

constexpr std::uint64_t poor_ns = 250;  // a thief that gains less than this a task backs off
constexpr std::uint64_t shortest_backoff_us = 20;
constexpr std::uint64_t longest_backoff_us = 2000;
constexpr unsigned most_idle_naps = 40;  // a watcher stays for so long after it was needed: a wake-up costs as much
constexpr std::uint32_t steal_cap = 128;
constexpr std::uint64_t handing_over_us = 2;  // the longest that who found something takes to say so

}  // namespace

// The sleep protocol is proved in README.md. A waker: work, then idle_ and searching_. A sleeper: idle_, sleep_, then
// the places where work may be.
tasklet* stealing::find(worker& w) {
  begin_finding(w);
  tasklet* who = nullptr;
  bool may_search = true;
  w.has_tidied_ = false;
  while (!must_end(w)) {
    if (may_search || w.has_search_) {
      who = search(w);
      if (who != nullptr) {
        break;
      }
    }
    const base::instant deadline = lie_down(w);
    if (deadline != 0) {
      w.driver_.load(base::relaxed)->wait(deadline);
    }
    may_search =
        deadline == 0;  // it has seen something, which it takes itself rather than to look on until somebody does
    who = get_up(w);
    if (who != nullptr) {
      break;
    }
    w.has_tidied_ = !w.has_search_ && tidy();
  }
  end_finding(w, who);
  return who;
}

void stealing::begin_finding(worker& w) noexcept {
  if (w.detach_ != nullptr) {
    w.detach_(w);
  }
  w.current_.store(nullptr, base::relaxed);
  settle_meter(w);
  w.probe_.forget();
  w.has_search_ = false;
  w.is_finding_ = true;
  w.nap_ = shortest_nap;
  w.idle_naps_ = 0;
  idle_.fetch_add(1, base::seq_cst);  // [sleep.look]
}

void stealing::end_finding(worker& w, tasklet* who) noexcept {
  w.is_finding_ = false;
  if (w.naps_) {
    give_up_watch(w);
  }
  // Who finds that somebody works has to find the watch given up. `keep_watch` looks at it again, seq_cst.
  idle_.fetch_sub(1, base::release);  // [sleep.watch]
  if (w.has_search_) {
    end_search(w);
  }
  if (who != nullptr && somebody_idle()) {
    keep_watch(w);
  }
  w.until_look_ = 1;  // after a sleep the clock has moved
}

// Says that it sleeps, and looks once more.
//
// Returns   until when it may sleep; 0 when it must not.
base::instant stealing::lie_down(worker& w) {
  if (w.is_guest_ && needs_watcher(w)) {
    wake_one(&w);  // better than to rely on an event loop
  }
  // The watch is kept from nap to nap: who queued something between two of them would wake a sleeper for it.
  const bool is_watch_wanted = !is_alone_ && (w.idle_naps_ != 0 || somebody_works());
  if (!w.naps_) {
    w.naps_ = is_watch_wanted && take_watch(w);
  } else if (!is_watch_wanted) {
    give_up_watch(w);
  }
  w.sleep_.store(w.is_guest_ ? worker::sleep_state::outside
                 : w.naps_   ? worker::sleep_state::napping
                             : worker::sleep_state::asleep,
                 base::seq_cst);  // [sleep.look]
  // Told to end, too: what a driver was told may have been taken back by a look at the sockets since this was asked last.
  if (must_end(w) || sees_work(w) || (!w.naps_ && needs_watcher(w))) {
    return 0;
  }
  // An event loop may come late, so a guest keeps the memory's time only where nobody else could.
  w.kept_ = w.naps_ || (w.is_guest_ && (threads_wanted_ != 0 || w.has_tidied_)) ? base::never : decay().keep();
  base::instant deadline = std::min(next_event(w), w.kept_);
  if (w.naps_) {
    deadline = std::min(deadline, base::now() + w.nap_);
  }
  if (!w.has_tidied_) {
    worker::count(w.naps_ ? w.count_.naps : w.count_.sleeps);
  }
  return deadline == base::never || deadline > base::now() ? deadline : 0;
}

// Takes what came meanwhile.
tasklet* stealing::get_up(worker& w) {
  decay().rested(std::exchange(w.kept_, base::never));
  // Whoever set us awake handed us the search with it, if we are no guest.
  const bool was_woken = w.sleep_.exchange(worker::sleep_state::awake, base::acq_rel) == worker::sleep_state::awake;
  w.has_search_ = was_woken && !w.is_guest_;
  if (was_woken) {  // it may have been woken to be the watcher
    w.idle_naps_ = most_idle_naps;
    w.nap_ = shortest_nap;
  }
  if (w.inbox_size_.load(base::relaxed) != 0) {
    patience_.missed(base::cycles() - w.searched_at_);
  }
  attend(w, false);
  attend_orphans(w);
  tasklet* who = w.take_local();
  if (who == nullptr) {
    who = take_foreign(w);
  }
  if (w.naps_) {
    if (who == nullptr) {
      who = watch(w);
    }
    if (w.is_guest_ || w.has_search_) {
      give_up_watch(w);  // there may be a worker by now that takes it; who searches looks at what is offered only
    }
    const bool is_needed = somebody_works();
    w.idle_naps_ = is_needed ? most_idle_naps : w.idle_naps_ - (w.idle_naps_ != 0 ? 1 : 0);
    w.nap_ = std::min(2 * w.nap_, is_needed ? longest_watch : longest_nap);
  }
  return who;
}

// Who overlooks that somebody watches wakes one in vain.
bool stealing::take_watch(worker& w) noexcept {
  std::uint32_t held = nobody;
  if (w.is_guest_) {
    return napping_.compare_exchange_strong(held, a_guest, base::relaxed);
  }
  return napping_.compare_exchange_strong(held, a_worker, base::relaxed) ||
         (held == a_guest && napping_.compare_exchange_strong(held, a_worker, base::relaxed));
}

void stealing::give_up_watch(worker& w) noexcept {
  w.naps_ = false;
  if (!w.is_guest_) {
    napping_.store(nobody, base::seq_cst);  // [sleep.watch]
  } else {
    std::uint32_t held = a_guest;                                   // unless a worker has taken over
    napping_.compare_exchange_strong(held, nobody, base::seq_cst);  // [sleep.watch]
  }
}

// Gives some memory back that nobody has needed for a while, ours and the process's.
//
// Returns   whether there was something to do.
bool stealing::tidy() noexcept {
  const bool has_done_something = decay().step();  // or a worker of another scheduler does
  const std::uint32_t round = decay().rounds();
  if (tidied_.exchange(round, base::relaxed) != round) {
    for (auto& w : workers_) {
      w->trim();
    }
  }
  return has_done_something;
}

// A worker is in the loop that neither searches nor sleeps.
bool stealing::somebody_works() const noexcept {
  return idle_.load(base::seq_cst) < running_.load(base::seq_cst);  // [sleep.watch] [sleep.enter] model
}

// Those who work may stay inside one tasklet for long, so somebody has to watch their queues and timers.
bool stealing::needs_watcher(const worker& w) const noexcept {
  if (is_alone_ || !somebody_works()) {
    return false;
  }
  // Seen through `idle_`, which is lowered after the watch was given up ([sleep.watch]).
  const std::uint32_t watching = napping_.load(base::relaxed);
  return watching == nobody || (watching == a_guest && !w.is_guest_);
}

// A worker that goes back to work may stay inside one tasklet for long, and so may those that work already. What is
// private to any of them, the rest of its loot or the sleepers that it woke, needs a watcher, which may have been itself;
// and so do timers and sockets.
void stealing::keep_watch(worker& w) noexcept {
  base::full_fence();  // [sleep.watch]
  if (napping_.load(base::relaxed) != 0) {
    return;
  }
  if (std::any_of(workers_.begin(), workers_.end(), [](const auto& other) {
        return other->has_private_work() || !other->shared_.empty() || other->timers_->next() != base::never ||
               other->driver_.load(base::acquire)->is_watching();  // [driver.install]
      })) {
    wake_one(&w);
  }
}

// To take the search orders nothing: who finds it taken has brought his work before he looked, and whoever gives it up looks
// after that ([search.end]).
//
// At most one worker searches; it spins for at most about what a wake would cost, and hands the search on when it finds
// work.
tasklet* stealing::search(worker& w) {
  tasklet* who = nullptr;
  if (!w.has_search_ && !await_search(w, who)) {
    return who;
  }
  const std::uint64_t longest = patience_.begin();
  const std::uint64_t start = w.searched_at_ = base::cycles();
  std::uint64_t now = start;
  std::uint64_t polled = start;
  for (;;) {
    who = take_foreign(w);
    if (who == nullptr) {
      who = steal(w);
    }
    if (who == nullptr && now - polled > cycles_per_us_) {
      polled = now;
      attend(w, true);
      who = w.take_local();
    }
    if (who != nullptr) {
      if (now != start) {
        patience_.found(now - start);
      }
      break;
    }
    now = base::cycles();
    if (now - start >= longest) {
      if (longest != 0) {
        patience_.gave_up();
      }
      break;
    }
    if (command_.load(base::relaxed) != command::run || w.leave_) {
      break;
    }
    base::cpu_pause(8);
  }
  end_search(w);
  return who;
}

// Takes the search, or what was sent to us meanwhile. Whoever has it may be about to go back to work, as partners do by turns
// that must stay on different workers: to fall asleep just then would cost each of their turns a wake-up.
//
// Returns   whether it has the search.
bool stealing::await_search(worker& w, tasklet*& who) {
  const std::uint64_t longest = std::min(handing_over_us * cycles_per_us_, patience_.longest());
  const std::uint64_t start = base::cycles();
  for (;;) {
    std::uint32_t nobody_searches = 0;
    if (searching_.compare_exchange_strong(nobody_searches, 1, base::relaxed)) {
      w.has_search_ = true;
      return true;
    }
    who = take_foreign(w);
    if (who != nullptr || base::cycles() - start >= longest) {
      return false;
    }
    base::cpu_pause(8);
  }
}

// One look at all that others have, for a guest, whose loop has other things to do than to spin.
tasklet* stealing::search_once(worker& w) {
  std::uint32_t nobody_searches = 0;
  if (!searching_.compare_exchange_strong(nobody_searches, 1, base::relaxed)) {
    return take_foreign(w);
  }
  w.has_search_ = true;
  tasklet* who = take_foreign(w);
  if (who == nullptr) {
    who = steal(w);
  }
  end_search(w);
  return who;
}

// Work that came while we searched woke nobody, so we look once more after giving the search up.
void stealing::end_search(worker& w) noexcept {
  w.has_search_ = false;
  searching_.store(0, base::seq_cst);  // [search.end]
  if (sees_work(w)) {
    wake_one(&w);
  }
}

bool stealing::sees_work(const worker& w) const noexcept {
  if (w.inbox_size_.load(base::seq_cst) != 0 || !injector_.seems_empty() ||
      unqueued_.count.load(base::seq_cst) != 0) {  // [sleep.look]
    return true;
  }
  if (is_alone_ || searching_.load(base::seq_cst) != 0 || base::cycles() < not_before_.load(base::relaxed)) {
    return false;  // the searcher will see what is offered; and what is not worth stealing is no work
  }
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& other) {
    return other.get() != &w && !other->shared_.empty_for_sleeper() && !(w.naps_ && offers_partner(*other));
  });
}

// What a watcher leaves alone: woken tasklets, which their owner is most likely about to take back. Two partners whose turns
// are short have one of them on offer half of the time; split, they would take longer for what they do.
bool stealing::offers_partner(const worker& victim) const noexcept {
  const std::uint64_t at = victim.offered_warm_at_.load(base::relaxed);
  return at != 0 && base::cycles() - at <= young_us * cycles_per_us_;
}

tasklet* stealing::steal(worker& w) {
  if (is_alone_ || base::cycles() < not_before_.load(base::relaxed)) {
    return nullptr;
  }
  std::array<tasklet*, steal_cap> items;
  for (const auto& group : w.victims_) {  // the nearest first
    const std::size_t count = group.size();
    const std::size_t from = w.random() % count;
    for (std::size_t i = 0; i < count; ++i) {
      worker& victim = *workers_[group[(from + i) % count]];
      if (victim.shared_.empty() || (w.naps_ && offers_partner(victim))) {
        continue;
      }
      if (const std::uint32_t got = victim.rob(items.data(), steal_cap); got != 0) {
        worker::count(w.count_.stolen, got);
        return take_loot(w, items.data(), got);
      }
    }
  }
  return nullptr;
}

// A worker that has not moved for a nap is inside one tasklet: what is private to it would wait for long, and so would its
// timers and sockets, which are claimed for it. It may come back meanwhile and look for itself.
tasklet* stealing::watch(worker& w) {
  const bool stealing_pays = base::cycles() >= not_before_.load(base::relaxed);
  if (stealing_pays) {
    if (tasklet* who = steal(w); who != nullptr) {
      return who;
    }
  }
  const std::uint64_t now = base::cycles();
  if ((now - w.seen_at_) * 1000 < static_cast<std::uint64_t>(shortest_nap) * cycles_per_us_) {
    return nullptr;  // the nap was cut short, or there was none
  }
  std::array<tasklet*, steal_cap> items;
  tasklet* who = nullptr;
  for (auto& other : workers_) {
    if (other.get() == &w || w.seen_ticks_[other->index_] != other->ticks_.load(base::relaxed)) {
      continue;
    }
    attend(*other, true);
    who = w.take_local();
    if (who != nullptr) {
      break;
    }
    if (!stealing_pays || !other->has_private_work()) {
      continue;
    }
    if (const std::uint32_t got = other->borrow(items.data(), steal_cap); got != 0) {
      worker::count(w.count_.borrowed, got);
      who = take_loot(w, items.data(), got);
      break;
    }
  }
  note_ticks(w, now);
  return who;
}

// Notes how far everybody has come.
void stealing::note_ticks(worker& w, std::uint64_t now) const noexcept {
  w.seen_at_ = now;
  for (const auto& other : workers_) {
    w.seen_ticks_[other->index_] = other->ticks_.load(base::relaxed);
  }
}

tasklet* stealing::take_loot(worker& w, tasklet* const* items, std::uint32_t count) {
  w.stole_count_ = count;
  w.stole_at_ = base::cycles();
  for (std::uint32_t i = 1; i < count; ++i) {
    w.put_last(items[i]);
  }
  return items[0];
}

// A thief divides the time that its loot lasted by the number of tasks. To have come from another core makes 150 to 200 ns
// of it (Zen 4). Loot that was worth it halves the pause only: what is poor may look rich where workers meet at one lock.
void stealing::settle_meter(worker& w) noexcept {
  if (w.stole_count_ == 0) {
    return;
  }
  const std::uint64_t now = base::cycles();
  const bool poor = (now - w.stole_at_) * 1000 < poor_ns * cycles_per_us_ * w.stole_count_;
  w.stole_count_ = 0;
  if (!poor) {
    w.backoff_ /= 2;
    return;
  }
  w.backoff_ = w.backoff_ == 0 ? shortest_backoff_us * cycles_per_us_
                               : std::min(2 * w.backoff_, longest_backoff_us * cycles_per_us_);
  not_before_.store(now + w.backoff_, base::relaxed);
}

}  // namespace martlet::detail
