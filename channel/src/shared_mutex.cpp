#include <martlet/channel/shared_mutex.hpp>

#include <mutex>

#include <martlet/base/check.hpp>

namespace martlet {

namespace detail {

void shared_mutex_core::grant(woken& to) noexcept {
  while (writer == nullptr && !waiters.empty()) {
    auto* oldest = static_cast<shared_mutex_wait*>(waiters.front());
    if (!oldest->is_shared && readers != 0) {
      return;  // perhaps a dead one: then its owner takes it out and looks again
    }
    if (!claim_front(waiters, *this)) {
      continue;
    }
    if (oldest->is_shared) {
      ++readers;
    } else {
      writer = oldest->taker;
    }
    to.add(*oldest);
  }
}

wait_core& shared_mutex_operation::core() noexcept { return *of_->core_; }

bool shared_mutex_operation::try_now(tasklet*&) noexcept {
  shared_mutex_core& core = *of_->core_;
  taker = current_owner();
  if (core.writer == taker) [[unlikely]] {
    taker = nullptr;
    return true;
  }
  if (core.writer != nullptr || !core.waiters.empty() || (!is_shared && core.readers != 0)) {
    return false;
  }
  if (is_shared) {
    ++core.readers;
  } else {
    core.writer = taker;
  }
  return true;
}

void shared_mutex_operation::link() noexcept { of_->core_->waiters.push_back(*this); }

// It may have held up others: readers behind a writer.
void shared_mutex_operation::unlink() noexcept {
  wait_list::unlink(*this);
  woken others;
  of_->core_->grant(others);
  prev = others.first();
}

void shared_mutex_operation::require_not_writer() const {
  if (taker == nullptr) [[unlikely]] {
    throw misuse("shared_mutex: its writer locked it again and would wait for itself; lock it once");
  }
}

}  // namespace detail

shared_mutex::~shared_mutex() {
  if (core_->writer != nullptr || core_->readers != 0 || !core_->waiters.empty()) {
    base::fatal("a shared_mutex was destroyed while ", core_->writer != nullptr ? 1 : 0, " wrote, ", core_->readers,
                " read and ", core_->waiters.size(), " waited for it: let all of them unlock it first");
  }
}

template <bool IsShared>
bool shared_mutex::try_take() {
  detail::shared_acquire<IsShared> op(*this);
  detail::tasklet* nobody = nullptr;
  core_->lock_.lock();
  const bool done = op.try_now(nobody);
  core_->lock_.unlock();
  if (done) {
    op.result().release();
  }
  return done;
}

bool shared_mutex::try_lock() { return try_take<false>(); }
bool shared_mutex::try_lock_shared() { return try_take<true>(); }

void shared_mutex::unlock() {
  detail::woken next;
  core_->lock_.lock();
  if (core_->writer != detail::current_owner()) [[unlikely]] {
    core_->lock_.unlock();
    throw misuse(
        "shared_mutex: unlock was called by a tasklet or thread that is not its writer; who locked it unlocks it, once");
  }
  core_->writer = nullptr;
  core_->grant(next);
  core_->lock_.unlock();  // the last touch
  next.ready_all();
}

void shared_mutex::unlock_shared() {
  detail::woken next;
  core_->lock_.lock();
  if (core_->readers == 0) [[unlikely]] {
    core_->lock_.unlock();
    throw misuse("shared_mutex: unlock_shared was called while nobody read; who locked it shared unlocks it, once");
  }
  if (--core_->readers == 0) {
    core_->grant(next);
  }
  core_->lock_.unlock();  // the last touch
  next.ready_all();
}

}  // namespace martlet
