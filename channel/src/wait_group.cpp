#include <martlet/channel/wait_group.hpp>

#include <cstdint>
#include <string>

#include <martlet/base/check.hpp>

namespace martlet {

wait_group::wait_group(std::size_t count) : core_(count) {
  if (count > PTRDIFF_MAX) {
    throw misuse("wait_group: made with " + std::to_string(count) + " pieces; at most " + std::to_string(PTRDIFF_MAX) +
                 " are possible (was it a negative number?)");
  }
}

wait_group::~wait_group() {
  if (!core_->waiters.empty()) {
    base::fatal("a wait_group was destroyed while ", core_->waiters.size(),
                " tasklets waited for it: let the work be done and them end first");
  }
}

void wait_group::add(std::ptrdiff_t count) {
  detail::woken all;
  core_->lock_.lock();
  const std::size_t before = core_->count;
  const std::size_t after = before + static_cast<std::size_t>(count);
  if (after > PTRDIFF_MAX) [[unlikely]] {
    core_->lock_.unlock();
    throw misuse("wait_group: " + std::to_string(count) + " was added to " + std::to_string(before) +
                 " open pieces; call add before the work begins and done once for each piece");
  }
  core_->count = after;
  if (after == 0) {
    all.add_all(core_->waiters, *core_);
  }
  core_->lock_.unlock();  // the last touch
  all.ready_all();
}

}  // namespace martlet
