#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <martlet/channel.hpp>

#include "dice.hpp"
#include "mutex_specification.hpp"
#include "semaphore_specification.hpp"

namespace martlet::testing {

/// A mutex, for histories.
class mutex_subject {
 public:
  using rules = mutex_specification;

  explicit mutex_subject(dice&) {}

  static rules specification() { return {}; }
  static std::string name() { return "a mutex"; }

  /// Draws a locking, and the unlocking that belongs to it.
  static std::vector<call> draw(dice& random) {
    call locks{random.one_in(4) ? verb::try_lock : verb::lock, {}, 0, {}, 0};
    if (locks.what == verb::lock && random.one_in(3)) {
      locks.limit = random.one_of({0, 10, 50, 200});
    }
    return {locks, {verb::unlock, {}, 0, {}, 0}};
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return what.limit ? then(within(std::chrono::microseconds(*what.limit), door_.acquire())) : then(door_.acquire());
  }
  result told(int actor, mutex::guard got) {
    got.release();
    is_held_[static_cast<std::size_t>(actor)] = true;
    return {ending::done, 0, 0};
  }

  /// Returns   false for the unlock of what the actor could not lock.
  bool is_possible(int actor, const call& what) const {
    return what.what != verb::unlock || is_held_[static_cast<std::size_t>(actor)];
  }

  result do_now(int actor, const call& what) {
    bool& is_held = is_held_[static_cast<std::size_t>(actor)];
    if (what.what == verb::unlock) {
      is_held = false;
      door_.unlock();
      return {ending::done, 0, 0};
    }
    is_held = door_.try_lock();
    return {is_held ? ending::done : ending::would_wait, 0, 0};
  }

  static std::vector<call> rescue(int) { return {}; }  // owners unlock by themselves
  template <class Make>
  static void finish(Make) {}
  static bool is_balanced() { return true; }

 protected:
  mutex door_;

 private:
  std::array<bool, 8> is_held_{};  // by which actor; each looks at its own
};

/// A semaphore, for histories. Units that were taken belong to nobody; whoever likes gives some back.
class semaphore_subject {
 public:
  using rules = semaphore_specification;

  explicit semaphore_subject(dice& random) : first_(random.below(4)), units_(static_cast<std::size_t>(first_)) {}

  rules specification() const { return rules(first_); }
  std::string name() const { return "a semaphore of " + std::to_string(first_); }

  static std::vector<call> draw(dice& random) {
    call what{
        random.one_of({verb::acquire, verb::acquire, verb::try_acquire, verb::release, verb::release, verb::available}),
        {},
        0,
        {},
        0};
    what.number = what.what == verb::available ? 0 : random.between(1, what.what == verb::release ? 2 : 3);
    if (what.what == verb::acquire && random.one_in(3)) {
      what.limit = random.one_of({0, 10, 50, 200});
    }
    return {what};
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    auto acquire = units_.acquire(static_cast<std::size_t>(what.number));
    return what.limit ? then(within(std::chrono::microseconds(*what.limit), std::move(acquire)))
                      : then(std::move(acquire));
  }
  static result told(int, permit got) {
    got.dismiss();
    return {ending::done, 0, 0};
  }
  static bool is_possible(int, const call&) { return true; }

  result do_now(int, const call& what) {
    switch (what.what) {
      case verb::try_acquire: {
        permit got = units_.try_acquire(static_cast<std::size_t>(what.number));
        const bool is_done = static_cast<bool>(got);
        got.dismiss();
        return {is_done ? ending::done : ending::would_wait, 0, 0};
      }
      case verb::release: units_.release(static_cast<std::size_t>(what.number)); return {ending::done, 0, 0};
      default: return {ending::done, 0, static_cast<int>(units_.available())};
    }
  }

  /// Returns   what lets those who wait go on; with 6 of them there is enough for all that can be asked for.
  static std::vector<call> rescue(int before) { return {{verb::release, {}, 8 * (before + 1), {}, 0}}; }

  /// Counts the units, so that one that was lost is missing in the history.
  template <class Make>
  static void finish(Make make) {
    make(call{verb::available, {}, 0, {}, 0});
  }
  static bool is_balanced() { return true; }

 private:
  int first_;
  semaphore units_;
};

}  // namespace martlet::testing
