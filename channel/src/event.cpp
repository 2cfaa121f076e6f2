#include <martlet/channel/event.hpp>

#include <martlet/base/check.hpp>

namespace martlet {

event::~event() {
  if (!core_->waiters.empty()) {
    base::fatal("an event was destroyed while ", core_->waiters.size(),
                " tasklets waited for it: set it and let them end first");
  }
}

void event::set() noexcept {
  detail::woken all;
  core_->lock_.lock();
  core_->is_set = true;
  all.add_all(core_->waiters, *core_);
  core_->lock_.unlock();  // the last touch
  all.ready_all();
}

}  // namespace martlet
