#include <martlet/scheduler/sleep.hpp>

#include <algorithm>
#include <mutex>

#include <martlet/tasklet/await.hpp>

#include "worker.hpp"

namespace martlet::detail {
namespace {

timer_wheel& wheel_of(const tasklet& root) noexcept { return *static_cast<worker*>(root.at())->timers_; }

}  // namespace

wait_core* arm_timer(timer_node& node) noexcept {
  tasklet& root = *node.owner->root();
  if (root.kind_ == kind::thread) {
    auto& self = thread_waiter::of(&root);
    if (node.due < self.deadline_) {
      self.deadline_ = node.due;
      self.timer_ = &node;
    }
    return nullptr;
  }
  timer_wheel& wheel = wheel_of(root);
  wheel.lock_.lock();
  wheel.arm(node);
  return &wheel;
}

void disarm_timer(timer_node& node) noexcept {
  if (node.wheel != nullptr) {
    const std::lock_guard guard(node.wheel->lock_);
    node.wheel->disarm(node);
  }
}

bool sleep_operation::prepare(waiter who) {
  if (!begin(node_, who)) {
    return false;
  }
  if (node_.due <= 0 || node_.due <= base::now()) {
    node_.owner = nullptr;
    return false;
  }
  if (who.root->kind_ == kind::thread) {
    who.root->word_.store(tasklet::bits(tag::select), base::release);  // nobody but the thread itself will claim it
    static_cast<void>(arm_timer(node_));
    return true;
  }
  timer_wheel& wheel = wheel_of(*who.root);
  wheel.lock_.lock();
  if (!park(who, wheel)) {
    wheel.lock_.unlock();
    return false;
  }
  wheel.arm(node_);
  return true;
}

bool sleep_operation::publish() noexcept {
  if (node_.wheel != nullptr) {
    node_.wheel->lock_.unlock();
  }
  return true;
}

void sleep_operation::finish() {
  if (node_.owner != nullptr) {
    disarm_timer(node_);
    throw cancelled();
  }
}

}  // namespace martlet::detail
