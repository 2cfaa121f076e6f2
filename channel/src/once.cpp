#include <martlet/channel/once.hpp>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/errors.hpp>

namespace martlet {

namespace detail {

bool once_entry::try_now(tasklet*&) noexcept {
  if (of_->is_done.load(base::relaxed)) {  // under the lock that wrote it
    return true;
  }
  self_ = current_owner();
  if (of_->caller == nullptr) {
    of_->caller = self_;
    calls_ = true;
    return true;
  }
  if (of_->caller == self_) [[unlikely]] {
    is_nested_ = true;
    return true;
  }
  return false;
}

bool once_entry::result() const {
  if (is_nested_) [[unlikely]] {
    throw misuse("once: the function that is called once called the same once again, and would wait for itself");
  }
  return calls_;
}

void once_core::end_call(bool succeeded) noexcept {
  woken next;
  lock_.lock();
  caller = nullptr;
  if (succeeded) {
    is_done.store(true, base::release);  // [once.done] what the function wrote, seen by who does not wait
    next.add_all(callers, *this);
    next.add_all(watchers, *this);
  } else {
    while (wait_node* node = callers.front()) {
      if (claim_front(callers, *this)) {
        auto* entry = static_cast<once_entry*>(node);
        entry->calls_ = true;
        caller = entry->self_;
        next.add(*node);
        break;
      }
    }
  }
  lock_.unlock();  // the last touch
  next.ready_all();
}

}  // namespace detail

once::~once() {
  const std::size_t waiting = core_->callers.size() + core_->watchers.size();
  if (core_->caller != nullptr || waiting != 0) {
    base::fatal("a once was destroyed while ", core_->caller != nullptr ? 1 : 0, " called and ", waiting,
                " tasklets waited for it: let them end first");
  }
}

bool once::try_enter() {
  detail::once_entry op(*core_);
  detail::tasklet* nobody = nullptr;
  core_->lock_.lock();
  const bool done = op.try_now(nobody);
  core_->lock_.unlock();
  return done && op.result();
}

}  // namespace martlet
