#include <martlet/scheduler/scope.hpp>

#include <mutex>

#include <martlet/base/check.hpp>

#include "report_unhandled.hpp"

namespace martlet {

scope_failed::scope_failed(std::vector<std::exception_ptr> errors) : errors_(std::move(errors)) {
  text_ = std::to_string(errors_.size()) + " tasklets of one scope failed:";
  for (const auto& error : errors_) {
    text_ += "\n  " + detail::text_of(error);
  }
}

scope::~scope() {
  while (size() != 0) {
    detail::scope_wait end(*this);
    await(end);
  }
  for (const auto& error : errors_) {
    detail::report_unhandled({}, error, {});
  }
}

void scope::join() {
  while (size() != 0) {
    detail::scope_wait end(*this);
    await(end);
  }
  throw_errors(nullptr);
}

std::size_t scope::size() noexcept {
  const std::lock_guard guard(lock_);
  return open_;
}

void scope::child_began() noexcept {
  const std::lock_guard guard(lock_);
  ++open_;
}

void scope::child_failed(std::exception_ptr failure, bool, site) noexcept {
  const std::lock_guard guard(lock_);
  errors_.push_back(std::move(failure));
}

void scope::child_ended(detail::host& here) noexcept {
  detail::tasklet* waiting = nullptr;
  lock_.lock();
  if (--open_ == 0 && waiter_ != nullptr && detail::claim(waiter_->owner, *this)) {
    waiting = detail::complete(*waiter_);
  }
  lock_.unlock();  // the last touch: whoever waits may end the scope now
  if (waiting != nullptr) {
    detail::ready(waiting, &here);
  }
}

void scope::throw_errors(std::exception_ptr of_the_body) {
  std::vector<std::exception_ptr> errors = std::exchange(errors_, {});
  if (of_the_body != nullptr) {
    errors.insert(errors.begin(), std::move(of_the_body));
  }
  if (errors.size() == 1) {
    std::rethrow_exception(errors.front());
  }
  if (!errors.empty()) {
    throw scope_failed(std::move(errors));
  }
}

namespace detail {

bool scope_wait::prepare(waiter who) noexcept {
  scope_->lock_.lock();
  if (scope_->open_ == 0) {
    scope_->lock_.unlock();
    return false;
  }
  if (scope_->waiter_ != nullptr) {
    scope_->lock_.unlock();
    base::fatal(
        "a scope was joined while another tasklet or thread already waits for its children: join a scope in one place");
  }
  node_.owner = who.leaf;
  scope_->waiter_ = &node_;
  return true;
}

// A scope lies in any memory, so a canceller must not lock it: the wait is claimed as a select is, and marked only now that
// a fiber has left its stack.
bool scope_wait::publish() noexcept {
  scope& in = *scope_;
  node_.owner->root()->word_.store(tasklet::bits(tag::select), base::release);  // [word.park]
  in.lock_.unlock();
  return true;
}

void scope_wait::finish() noexcept {
  const std::lock_guard guard(scope_->lock_);
  scope_->waiter_ = nullptr;
}

}  // namespace detail

}  // namespace martlet
