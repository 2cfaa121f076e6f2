#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <martlet/channel.hpp>

#include "dice.hpp"
#include "limits.hpp"
#include "mutex_specification.hpp"
#include "semaphore_specification.hpp"

namespace martlet::testing {

/// How often each actor holds a lock; each looks at its own.
class holdings {
 public:
  int& of(int actor) { return held_[static_cast<std::size_t>(actor)]; }
  int of(int actor) const { return held_[static_cast<std::size_t>(actor)]; }

 private:
  std::array<int, 8> held_{};
};

/// Draws a locking, by a wait or without one.
inline call draw_lock(dice& random) {
  call locks = plain(random.one_in(4) ? verb::try_lock : verb::lock);
  if (locks.what == verb::lock) {
    locks.limit = draw_limit(random);
  }
  return locks;
}

/// A mutex, re-entrant or not, for histories.
template <class Mutex>
class mutex_subject {
 public:
  using rules = mutex_specification;

  explicit mutex_subject(dice&) {}

  static rules specification() { return {}; }
  static std::string name() { return std::string("a ") + Mutex::name; }

  /// Draws a locking, or several where that is allowed, and the unlocking that belongs to each.
  static std::vector<call> draw(dice& random) {
    const int depth = Mutex::is_recursive ? random.between(1, 2) : 1;
    std::vector<call> drawn;
    for (int i = 0; i < depth; ++i) {
      drawn.push_back(draw_lock(random));
    }
    drawn.resize(drawn.size() + static_cast<std::size_t>(depth), plain(verb::unlock));
    return drawn;
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return with_limit(what, door_.acquire(), then);
  }
  result told(int actor, typename Mutex::guard got) {
    got.release();
    ++held_.of(actor);
    return {ending::done, 0, 0};
  }

  /// Returns   false for the unlock of what the actor could not lock.
  bool is_possible(int actor, const call& what) const { return what.what != verb::unlock || held_.of(actor) != 0; }

  result do_now(int actor, const call& what) {
    if (what.what == verb::unlock) {
      --held_.of(actor);
      door_.unlock();
      return {ending::done, 0, 0};
    }
    const bool is_done = door_.try_lock();
    held_.of(actor) += is_done ? 1 : 0;
    return {is_done ? ending::done : ending::would_wait, 0, 0};
  }

  static std::vector<call> rescue(int) { return {}; }  // owners unlock by themselves
  template <class Make>
  static void finish(Make) {}
  static bool is_balanced() { return true; }

 protected:
  Mutex door_;
  holdings held_;
};

/// A semaphore, for histories. Units that were taken belong to nobody; whoever likes gives some back.
class semaphore_subject {
 public:
  using rules = semaphore_specification;

  explicit semaphore_subject(dice& random) : first_(random.below(4)), units_(static_cast<std::size_t>(first_)) {}

  rules specification() const { return rules(first_); }
  std::string name() const { return "a semaphore of " + std::to_string(first_); }

  static std::vector<call> draw(dice& random) {
    call what = plain(random.one_of({verb::acquire, verb::acquire, verb::try_acquire, verb::release, verb::release,
                                     verb::available}));
    what.number = what.what == verb::available ? 0 : random.between(1, what.what == verb::release ? 2 : 3);
    if (what.what == verb::acquire) {
      what.limit = draw_limit(random);
    }
    return {what};
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return with_limit(what, units_.acquire(static_cast<std::size_t>(what.number)), then);
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
  static std::vector<call> rescue(int before) { return std::vector<call>(1, plain(verb::release, 8 * (before + 1))); }

  /// Counts the units, so that one that was lost is missing in the history.
  template <class Make>
  static void finish(Make make) {
    make(plain(verb::available));
  }
  static bool is_balanced() { return true; }

 protected:
  int first() const { return first_; }

 private:
  int first_;
  semaphore units_;
};

/// A shared mutex, for histories. It promises what a semaphore promises that has a unit for every reader there can be, and
/// of which a writer takes all.
class shared_mutex_subject {
 public:
  using rules = semaphore_specification;

  explicit shared_mutex_subject(dice&) {}

  static rules specification() { return rules(all); }
  static std::string name() { return "a shared mutex (who reads acquires 1, who writes " + std::to_string(all) + ")"; }

  /// Draws a locking, and the unlocking that belongs to it.
  static std::vector<call> draw(dice& random) {
    call locks = plain(random.one_in(4) ? verb::try_acquire : verb::acquire, random.one_in(3) ? all : 1);
    if (locks.what == verb::acquire) {
      locks.limit = draw_limit(random);
    }
    std::vector<call> drawn(2, locks);
    drawn.back() = plain(verb::release, locks.number);
    return drawn;
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return what.number == all ? with_limit(what, door_.acquire(), then)
                              : with_limit(what, door_.acquire_shared(), then);
  }
  template <class Guard>
  result told(int actor, Guard got) {
    got.release();
    ++held_.of(actor);
    return {ending::done, 0, 0};
  }

  /// Returns   false for the unlock of what the actor could not lock.
  bool is_possible(int actor, const call& what) const { return what.what != verb::release || held_.of(actor) != 0; }

  result do_now(int actor, const call& what) {
    const bool writes = what.number == all;
    if (what.what == verb::release) {
      --held_.of(actor);
      writes ? door_.unlock() : door_.unlock_shared();
      return {ending::done, 0, 0};
    }
    const bool is_done = writes ? door_.try_lock() : door_.try_lock_shared();
    held_.of(actor) += is_done ? 1 : 0;
    return {is_done ? ending::done : ending::would_wait, 0, 0};
  }

  static std::vector<call> rescue(int) { return {}; }  // who is in it unlocks by himself
  template <class Make>
  static void finish(Make) {}
  static bool is_balanced() { return true; }

 private:
  static constexpr int all = 8;

  shared_mutex door_;
  holdings held_;
};

}  // namespace martlet::testing
