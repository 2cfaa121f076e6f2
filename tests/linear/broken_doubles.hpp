#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <martlet/base/atomic.hpp>

#include "channel_subject.hpp"
#include "lock_subjects.hpp"

/// Subjects that are wrong on purpose.
namespace martlet::testing {

/// An operation that was done, and says that it was cancelled when a cancel has come meanwhile.
template <class Op>
class forgetful final : public detail::operation<forgetful<Op>> {
 public:
  explicit forgetful(Op op) : inner_(std::move(op)) {}

  bool prepare(detail::waiter who) { return inner_.prepare(who); }
  bool publish() noexcept { return inner_.publish(); }
  decltype(auto) finish() {
    if constexpr (std::is_void_v<decltype(inner_.finish())>) {
      inner_.finish();
    } else {
      auto got = inner_.finish();
      if (this_tasklet::is_cancelled()) {
        throw cancelled();  // and what it got is gone
      }
      return got;
    }
  }
  Op& inner() noexcept { return inner_; }

 private:
  Op inner_;
};

/// Channels that lose what a receiver got while it was cancelled.
class forgetful_channels : public channel_subject {
 public:
  using channel_subject::channel_subject;

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return channel_subject::with_operation(what, [&](auto op) { return then(forgetful(std::move(op))); });
  }
};

/// A channel of our own, without waits.
class small_channel : public channel_subject {
 public:
  /// Takes     whether it gives the newest value first, which is wrong.
  small_channel(dice& random, bool newest_first) : channel_subject(random, false), newest_first_(newest_first) {}

  static rules specification() { return rules({room, room}); }
  static std::string name() { return "a small channel"; }

  std::vector<call> draw(dice& random) {
    auto drawn = channel_subject::draw(random);
    call& what = drawn.front();
    if (may_wait(what.what)) {
      what.what = what.what == verb::send ? verb::try_send : verb::try_receive;
    }
    return drawn;
  }

  result do_now(int, const call& what) {
    const std::lock_guard guard(lock_);
    const branch& part = what.cases.front();
    switch (what.what) {
      case verb::try_send:
        if (is_closed_ || values_.size() == room) {
          return {is_closed_ ? ending::closed : ending::would_wait, 0, part.value};
        }
        values_.push_back(part.value);
        return {ending::done, 0, 0};
      case verb::try_receive: {
        if (values_.empty()) {
          return {is_closed_ ? ending::empty : ending::would_wait, 0, 0};
        }
        const auto next = newest_first_ ? values_.end() - 1 : values_.begin();
        const int value = *next;
        values_.erase(next);
        return {ending::done, 0, value};
      }
      default: is_closed_ = true; return {ending::done, 0, 0};
    }
  }

  /// Takes what is left.
  template <class Make>
  void finish(Make make) {
    const branch from{verb::receive, 0, 0};
    while (make(call{verb::try_receive, {from}, 0, {}, 0}).how == ending::done) {}
  }

 private:
  static constexpr std::size_t room = 3;

  bool newest_first_;
  std::mutex lock_;
  bool is_closed_ = false;
  std::vector<int> values_;
};

/// A wait for a mutex that pushes to the front of the queue.
class pushy final : public detail::operation<pushy> {
 public:
  static constexpr bool yields_first = true;

  explicit pushy(detail::acquire_operation<mutex> op) : inner_(std::move(op)) {}

  bool prepare(detail::waiter who) {
    if (!inner_.prepare(who)) {
      return false;
    }
    auto& queue = static_cast<detail::mutex_core&>(inner_.core()).waiters;
    while (queue.front() != &inner_) {
      auto* other = queue.front();
      queue.unlink(*other);
      queue.push_back(*other);
    }
    return true;
  }
  bool publish() noexcept { return inner_.publish(); }
  mutex::guard finish() { return inner_.finish(); }

 private:
  detail::acquire_operation<mutex> inner_;
};

/// A mutex that serves who came last.
class overtaking_mutex : public mutex_subject<mutex> {
 public:
  using mutex_subject<mutex>::mutex_subject;

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return what.limit ? mutex_subject<mutex>::with_operation(what, then) : then(pushy(door_.acquire()));
  }
};

/// A lock of our own, without waits, that looks and then takes: between the two another may take it.
class hasty_lock : public mutex_subject<mutex> {
 public:
  using mutex_subject<mutex>::mutex_subject;

  static std::string name() { return "a hasty lock"; }
  static std::vector<call> draw(dice&) {
    std::vector<call> drawn(2, plain(verb::try_lock));
    drawn.back() = plain(verb::unlock);
    return drawn;
  }

  result do_now(int actor, const call& what) {
    if (what.what == verb::unlock) {
      --held_.of(actor);
      is_taken_.store(false, base::release);
      return {ending::done, 0, 0};
    }
    if (is_taken_.load(base::acquire)) {
      return {ending::would_wait, 0, 0};
    }
    is_taken_.store(true, base::release);
    ++held_.of(actor);
    return {ending::done, 0, 0};
  }

 private:
  base::atomic<bool> is_taken_{false};
};

/// A semaphore of our own, without waits, that looks at its units and then writes how many there are: what others do
/// between the two is lost.
class hasty_semaphore : public semaphore_subject {
 public:
  explicit hasty_semaphore(dice& random) : semaphore_subject(random), units_(first()) {}

  static std::string name() { return "a hasty semaphore"; }
  static std::vector<call> draw(dice& random) {
    const verb what = random.one_of({verb::try_acquire, verb::release});
    return std::vector<call>(1, plain(what, random.between(1, 2)));
  }

  result do_now(int, const call& what) {
    const int there = units_.load(base::acquire);
    if (what.what == verb::available) {
      return {ending::done, 0, there};
    }
    if (what.what == verb::try_acquire && there < what.number) {
      return {ending::would_wait, 0, 0};
    }
    units_.store(what.what == verb::release ? there + what.number : there - what.number, base::release);
    return {ending::done, 0, 0};
  }

 private:
  base::atomic<int> units_;
};

}  // namespace martlet::testing
