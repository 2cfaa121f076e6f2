#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include <martlet/channel.hpp>

#include "attempt.hpp"
#include "condition_specification.hpp"
#include "dice.hpp"
#include "gate_specification.hpp"
#include "limits.hpp"
#include "lock_subjects.hpp"

namespace martlet::testing {

/// An event, for histories.
class event_subject {
 public:
  using rules = gate_specification;

  explicit event_subject(dice&) {}

  static rules specification() { return rules(1); }
  static std::string name() { return "an event"; }

  static std::vector<call> draw(dice& random) {
    call what = plain(random.one_of({verb::wait, verb::wait, verb::set, verb::count}));
    if (what.what == verb::wait) {
      what.limit = draw_limit(random);
    } else if (what.what == verb::set) {
      what.number = random.below(2);
    }
    return {what};
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return with_limit(what, event_.wait(), then);
  }
  static result told(int, std::monostate) { return {ending::done, 0, 0}; }
  static bool is_possible(int, const call&) { return true; }

  result do_now(int, const call& what) {
    if (what.what == verb::count) {
      return {ending::done, 0, event_.is_set() ? 0 : 1};
    }
    what.number == 0 ? event_.set() : event_.reset();
    return {ending::done, 0, 0};
  }

  std::vector<call> rescue(int) const {
    return event_.is_set() ? std::vector<call>() : std::vector<call>(1, plain(verb::set, 0));
  }
  template <class Make>
  static void finish(Make) {}
  static bool is_balanced() { return true; }

 private:
  event event_;
};

/// A wait group, for histories, of one piece more than the actors do; that one the driver does.
class wait_group_subject {
 public:
  using rules = gate_specification;

  explicit wait_group_subject(dice& random) : first_(random.below(2)), group_(static_cast<std::size_t>(first_)) {}

  rules specification() const { return rules(first_); }
  std::string name() const { return "a wait group of " + std::to_string(first_); }

  /// Draws a wait, or some pieces of work that are done one after the other.
  static std::vector<call> draw(dice& random) {
    if (random.one_in(2)) {
      call waits = plain(verb::wait);
      waits.limit = draw_limit(random);
      return {waits};
    }
    const int pieces = random.between(1, 2);
    std::vector<call> drawn(1, plain(verb::add, pieces));
    drawn.resize(1 + static_cast<std::size_t>(pieces), plain(verb::add, -1));
    if (random.one_in(3)) {
      drawn.push_back(plain(verb::count));
    }
    return drawn;
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    return with_limit(what, group_.wait(), then);
  }
  static result told(int, std::monostate) { return {ending::done, 0, 0}; }
  static bool is_possible(int, const call&) { return true; }

  result do_now(int, const call& what) {
    if (what.what == verb::count) {
      return {ending::done, 0, static_cast<int>(group_.count())};
    }
    group_.add(what.number);
    return {ending::done, 0, 0};
  }

  std::vector<call> rescue(int before) const {
    return before == 0 && first_ == 1 ? std::vector<call>(1, plain(verb::add, -1)) : std::vector<call>();
  }
  template <class Make>
  static void finish(Make make) {
    make(plain(verb::count));
  }
  static bool is_balanced() { return true; }

 private:
  int first_;
  wait_group group_;
};

/// A condition with its mutex, for histories.
class condition_subject {
 public:
  using rules = condition_specification;

  explicit condition_subject(dice&) {}

  static rules specification() { return {}; }
  static std::string name() { return "a condition"; }

  /// Draws a notice, or a wait or a notice with the mutex locked.
  static std::vector<call> draw(dice& random) {
    const call notice = plain(random.one_of({verb::notify_one, verb::notify_one, verb::notify_all}));
    if (random.one_in(3)) {
      return {notice};
    }
    call waits = plain(verb::wait);
    waits.limit = draw_limit(random);
    return {draw_lock(random), random.one_in(3) ? notice : waits, plain(verb::unlock)};
  }

  template <class Then>
  auto with_operation(const call& what, Then then) {
    if (what.what == verb::lock) {
      return with_limit(what, door_.acquire(), then);
    }
    return what.limit ? then(made_there{[this, limit = limit_of(what)] { return changed_.wait_for(held_, limit); }})
                      : then(made_there{[this] { return changed_.wait(held_); }});
  }
  result told(int actor, mutex::guard got) {
    got.release();
    ++holds_.of(actor);
    return {ending::done, 0, 0};
  }
  static result told(int, bool in_time) { return {in_time ? ending::done : ending::deadline_passed, 0, 0}; }

  /// Returns   false for what needs the mutex when the actor could not lock it.
  bool is_possible(int actor, const call& what) const {
    return (what.what != verb::unlock && what.what != verb::wait) || holds_.of(actor) != 0;
  }

  result do_now(int actor, const call& what) {
    switch (what.what) {
      case verb::notify_one: changed_.notify_one(); break;
      case verb::notify_all: changed_.notify_all(); break;
      case verb::unlock:
        --holds_.of(actor);
        door_.unlock();
        break;
      default:
        if (!door_.try_lock()) {
          return {ending::would_wait, 0, 0};
        }
        ++holds_.of(actor);
    }
    return {ending::done, 0, 0};
  }

  static std::vector<call> rescue(int) { return std::vector<call>(1, plain(verb::notify_all)); }
  template <class Make>
  static void finish(Make) {}
  static bool is_balanced() { return true; }

 private:
  // Stands for the guard of whoever waits: he has locked the mutex without one.
  struct guard_of_caller {
    martlet::mutex* door;

    bool owns_lock() const { return true; }
    martlet::mutex* mutex() const { return door; }
  };

  mutex door_;
  condition changed_;
  guard_of_caller held_{&door_};
  holdings holds_;
};

}  // namespace martlet::testing
