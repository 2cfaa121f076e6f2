#include "worker.hpp"

#include <algorithm>
#include <mutex>

namespace martlet::detail {

namespace {

constexpr std::uint32_t offer_cap = 128;

}  // namespace

worker::worker(executor& pool, const base::atomic<std::uint32_t>& idle, bool alone, unsigned index, bool lent)
    : host(&pool, index, lent), idle_(idle), is_alone_(alone) {
  random_ += index * 2654435769U;
  drivers_.push_back(std::make_unique<futex_driver>());
  driver_.store(drivers_.back().get(), base::relaxed);  // before any other thread exists
}

// Inside the lock, with nothing offered: what is left when the owner has taken something for itself.
void worker::offer_rest() noexcept {
  const std::size_t left = private_size();
  offer(left - left / 2);
}

// What we offered and nobody took, then what there was no memory for, then what must run here.
tasklet* worker::take_last_resort() noexcept {
  if (tasklet* who = shared_.take(); who != nullptr) {
    return who;
  }
  return !aside_.empty() ? aside_.pop_front() : pinned_.empty() ? nullptr : pinned_.pop_front();
}

void worker::put_aside(tasklet* who) noexcept { aside_.push_back(who); }

tasklet* worker::take_oldest() noexcept {
  if (!aside_.empty()) [[unlikely]] {
    return aside_.pop_front();
  }
  if (tasklet* who = shared_.take(); who != nullptr) {
    return who;
  }
  queues_.enter();
  tasklet* who = !woken_.empty() ? woken_.pop_front() : !fresh_.empty() ? fresh_.pop_front() : nullptr;
  queues_.leave();
  return who;
}

tasklet* worker::take_any() noexcept {
  queues_.enter();
  tasklet* who = slot_.exchange(nullptr, base::relaxed);
  if (who == nullptr && private_size() != 0) {
    who = pop_oldest();
  }
  queues_.leave();
  if (who == nullptr) {
    who = shared_.take();
  }
  return who == nullptr && !aside_.empty() ? aside_.pop_front() : who;
}

void worker::offer(std::size_t count) noexcept {
  count = std::min<std::size_t>({count, offer_cap, shared_.room()});
  offered_at_ = base::cycles();
  offered_warm_at_.store(woken_.empty() ? 0 : offered_at_, base::relaxed);  // a hint
  shared_.offer(static_cast<std::uint32_t>(count), [this] { return pop_oldest(); });
}

bool worker::offer_half() noexcept {
  queues_.enter();
  const std::size_t there = private_size();  // a borrower may have been here
  if (there >= 2) {
    offer(there / 2);
  }
  queues_.leave();
  return there >= 2;
}

void worker::put_into_inbox(tasklet* who) noexcept {
  {
    const std::lock_guard guard(inbox_lock_);
    inbox_.push_back(who);
    inbox_size_.store(1, base::seq_cst);  // [sleep.look]
  }
  if (sleep_.load(base::seq_cst) != sleep_state::awake) {  // [sleep.look]
    driver_.load(base::acquire)->notify();                 // [driver.install]
  }
}

tasklet* worker::take_pinned() noexcept {
  if (inbox_size_.load(base::relaxed) != 0) {
    const std::lock_guard guard(inbox_lock_);
    pinned_.take_over(inbox_);
    only_woken_ = false;
    inbox_size_.store(0, base::relaxed);  // only changed under the lock
  }
  return pinned_.empty() ? nullptr : pinned_.pop_front();
}

std::uint32_t worker::borrow(tasklet** items, std::uint32_t most) noexcept {
  if (!queues_.try_borrow()) {
    return 0;
  }
  std::uint32_t count = 0;
  if (const std::size_t there = private_size(); there != 0) {
    for (std::size_t wanted = there - there / 2; count < wanted && count < most; ++count) {
      items[count] = pop_oldest();
    }
  } else if (tasklet* who = slot_.load(base::relaxed); who != nullptr) {
    items[count++] = who;
    slot_.store(nullptr, base::relaxed);
  }
  queues_.give_back();
  return count;
}

void worker::trim() noexcept {
  if ((!fresh_.is_large() && !woken_.is_large()) || !queues_.try_borrow()) {
    return;
  }
  fresh_.trim();
  woken_.trim();
  queues_.give_back();
}

}  // namespace martlet::detail
