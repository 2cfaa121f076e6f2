#include <martlet/channel/semaphore.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

#include <martlet/base/check.hpp>

namespace martlet {

namespace detail {

namespace {

constexpr std::size_t most_of_all = PTRDIFF_MAX;

}  // namespace

void require_units(std::size_t count) {
  if (count == 0) {
    throw misuse("semaphore: 0 units were asked for; ask for at least 1");
  }
}

void semaphore_core::grant(woken& to) noexcept {
  while (wait_node* node = waiters.front()) {
    const std::size_t wanted = static_cast<semaphore_wait*>(node)->count;
    if (wanted > available) {
      return;  // perhaps a dead one: then its owner takes it out and looks again
    }
    if (claim_front(waiters, *this)) {
      available -= wanted;
      to.add(*node);
    }
  }
}

// It may have held up smaller requests.
void semaphore_acquire::unlink() noexcept {
  wait_list::unlink(*this);
  woken others;
  from_->core_->grant(others);
  prev = others.first();
}

}  // namespace detail

semaphore::semaphore(std::size_t count, std::size_t most) : core_(count, most) {
  if (most > detail::most_of_all || count > most) {
    throw misuse("semaphore: made with " + std::to_string(std::max(count, most)) + " units; at most " +
                 std::to_string(std::min(most, detail::most_of_all)) + " are possible (was it a negative number?)");
  }
}

semaphore::~semaphore() {
  if (!core_->waiters.empty()) {
    base::fatal("a semaphore was destroyed while ", core_->waiters.size(),
                " tasklets waited for it: let them have their permits and end first");
  }
}

permit semaphore::try_acquire(std::size_t count) {
  detail::require_units(count);
  detail::semaphore_acquire op(*this, count);
  detail::tasklet* nobody = nullptr;
  const std::lock_guard guard(core_->lock_);
  return op.try_now(nobody) ? op.result() : permit();
}

void semaphore::release(std::size_t count) {
  detail::woken next;
  core_->lock_.lock();
  if (count > core_->most - core_->available) [[unlikely]] {
    const std::size_t available = core_->available;
    core_->lock_.unlock();
    throw misuse("semaphore: " + std::to_string(count) + " units were released where " + std::to_string(available) +
                 " are there; at most " + std::to_string(core_->most) +
                 " are possible (was it a negative number, or given back twice?)");
  }
  core_->available += count;
  core_->grant(next);
  core_->lock_.unlock();  // the last touch
  next.ready_all();
}

void permit::release() noexcept {
  if (from_ != nullptr) {
    from_->release(count_);
    dismiss();
  }
}

}  // namespace martlet
