#include <martlet/channel/condition.hpp>

#include <mutex>

#include <martlet/base/check.hpp>
#include <martlet/channel/woken.hpp>

namespace martlet {

namespace detail {

void refuse_if_cancelled() {
  if (const tasklet* self = running_tasklet(); self != nullptr && self->is_cancelled()) {
    throw cancelled();
  }
}

notice notice_wait::end() noexcept {
  if (op_.owner == nullptr) {
    return notice::given;
  }
  withdraw(op_);
  return notice::cancelled;
}

notice timed_notice_wait::end() noexcept {
  try {
    return wait_->finish() == 0 ? notice::given : notice::late;
  } catch (const cancelled&) {
    return notice::cancelled;
  }
}

template <class First>
bool condition_wait<First>::prepare(waiter who) {
  second_.taker = current_owner();
  {
    const std::lock_guard guard(mutex_->lock_);
    if (mutex_->owner != second_.taker) [[unlikely]] {
      throw misuse("condition: a tasklet or thread waited that does not own the mutex; lock it first, in the same one");
    }
  }
  enter(who);
  if (first_.prepare(waiter(&record_))) {
    return true;
  }
  end_first();
  if (outcome_ == notice::cancelled) {
    leave();
    return false;
  }
  return true;  // the limit has passed already: others get the mutex all the same
}

// The mutex is let go of while the condition is still locked, so that whoever gets it and gives a notice finds us; its next
// owner is made ready when nothing is locked any more. Not inlined: what it needs after the inner `publish` must not lie in
// the coroutine's frame, which may be gone.
template <class First>
[[gnu::noinline]] bool condition_wait<First>::publish() noexcept {
  host* here = current_host();
  mutex_->lock_.lock();
  tasklet* next = mutex_->hand_over();
  mutex_->lock_.unlock();
  const bool waits = phase_ == phase::waits && first_.publish();  // then `this` may be gone
  if (next != nullptr) {
    ready(next, here);
  }
  if (waits) {
    return true;
  }
  if (phase_ == phase::waits) {
    end_first();
  }
  if (lock_again()) {
    leave();
    return false;
  }
  return true;
}

template <class First>
void condition_wait<First>::end_first() noexcept {
  outcome_ = first_.end();
  phase_ = phase::is_over;
}

// Returns false when it has to wait; then `this` may be gone.
template <class First>
bool condition_wait<First>::lock_again() noexcept {
  phase_ = phase::locks;
  const waiter who(&record_);
  mutex_core& mutex = *mutex_;
  mutex.lock_.lock();
  if (mutex.owner != nullptr && who.root->kind_ != kind::thread) {
    mutex.lock_.unlock();
    raise_shield(*who.root);
    is_shielded_ = true;
    mutex.lock_.lock();
  }
  if (mutex.owner == nullptr) {
    mutex.owner = second_.taker;
    mutex.lock_.unlock();
    return true;
  }
  second_.owner = &record_;
  static_cast<void>(park(who, mutex));  // behind the shield, or on a thread: nobody cancels it
  mutex.waiters.push_back(second_);
  mutex.lock_.unlock();
  return false;
}

template <class First>
void condition_wait<First>::run(void* frame) noexcept {
  auto* self = static_cast<condition_wait*>(static_cast<step*>(frame));
  if (self->phase_ == phase::waits) {
    self->end_first();
    if (!self->lock_again()) {
      return;
    }
  }
  tasklet* root = self->record_.root();
  tasklet* leaf = self->leave();
  if (root->kind_ == kind::thread) {
    leaf->resume();  // we are on the thread that woke it
  } else {
    root->at()->transfer_ = leaf;
  }
}

template <class First>
auto condition_wait<First>::finish() -> typename First::result_type {
  tasklet* root = record_.root();
  if (phase_ == phase::waits) [[unlikely]] {  // a thread whose time has come wakes by itself
    auto& thread = thread_waiter::of(root);
    thread.deadline_ = base::never;
    end_first();
    if (lock_again()) {
      leave();
    } else {
      sleep_on_thread(thread);
    }
  }
  if (is_shielded_) {
    lower_shield(*root);
  }
  if (outcome_ == notice::cancelled) {
    throw cancelled();
  }
  if constexpr (First::is_timed) {
    return outcome_ == notice::given;
  }
}

template class condition_wait<notice_wait>;
template class condition_wait<timed_notice_wait>;

}  // namespace detail

condition::~condition() {
  if (!core_->waiters.empty()) {
    base::fatal("a condition was destroyed while ", core_->waiters.size(),
                " tasklets waited for it: notify them and let them end first");
  }
}

void condition::refuse_empty_guard() {
  throw misuse("condition: wait was called with a guard that holds nothing; lock its mutex first");
}

void condition::notify_one() noexcept {
  detail::tasklet* who = nullptr;
  core_->lock_.lock();
  while (detail::wait_node* node = core_->waiters.front()) {
    if (detail::claim_front(core_->waiters, *core_)) {
      who = detail::complete(*node);
      break;
    }
  }
  core_->lock_.unlock();  // the last touch
  if (who != nullptr) {
    detail::ready(who, detail::current_host());
  }
}

void condition::notify_all() noexcept {
  detail::woken all;
  core_->lock_.lock();
  all.add_all(core_->waiters, *core_);
  core_->lock_.unlock();  // the last touch
  all.ready_all();
}

}  // namespace martlet
