#include <martlet/channel/barrier.hpp>

#include <mutex>
#include <utility>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/errors.hpp>

namespace martlet {

namespace detail {
namespace {

[[noreturn]] void refuse_arrival() {
  throw misuse("barrier: one more arrived than are expected; all have dropped out (arrive_and_drop)");
}

}  // namespace

// Who was cancelled in this moment has not been won, but has arrived: taken out of the list, he finds that it counted.
void barrier_core::end_phase(woken& all) noexcept {
  arrived = 0;
  all.add_all(waiters, *this);
}

bool barrier_arrival::try_now(tasklet*&) noexcept {
  if (at_->expected == 0) [[unlikely]] {
    state_ = state::is_refused;
    return true;
  }
  if (at_->arrived + 1 < at_->expected) {
    return false;
  }
  woken all;
  at_->end_phase(all);
  woken_ = all.first();
  state_ = state::is_last;
  return true;
}

bool barrier_arrival::result() {
  if (state_ == state::is_refused) [[unlikely]] {
    refuse_arrival();
  }
  woken::ready_from(std::exchange(woken_, nullptr));
  return state_ == state::is_last;
}

}  // namespace detail

barrier::barrier(std::size_t count) : core_(count) {
  if (count == 0) {
    throw misuse("barrier: made for 0; at least 1 has to arrive in a phase");
  }
}

barrier::~barrier() {
  if (!core_->waiters.empty()) {
    base::fatal("a barrier was destroyed while ", core_->waiters.size(),
                " tasklets waited at it: let all arrive and end first");
  }
}

bool barrier::try_arrive() {
  detail::barrier_arrival op(*core_);
  detail::tasklet* nobody = nullptr;
  core_->lock_.lock();
  const bool done = op.try_now(nobody);
  core_->lock_.unlock();
  return done && op.result();
}

void barrier::arrive_and_drop() {
  detail::woken all;
  core_->lock_.lock();
  if (core_->expected == 0) [[unlikely]] {
    core_->lock_.unlock();
    detail::refuse_arrival();
  }
  if (--core_->expected == core_->arrived) {
    core_->end_phase(all);
  }
  core_->lock_.unlock();  // the last touch
  all.ready_all();
}

std::size_t barrier::expected() const noexcept {
  const std::lock_guard guard(core_->lock_);
  return core_->expected;
}

std::size_t barrier::arrived() const noexcept {
  const std::lock_guard guard(core_->lock_);
  return core_->arrived;
}

}  // namespace martlet
