#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "priorities.hpp"

namespace martlet::model {

using thread_set = std::uint32_t;

/// The choices of one execution after the other: depth-first through all of them, or at random.
///
/// An execution asks at each point; the answers are those of the execution before it up to the last choice that has an
/// untried alternative, the next alternative there, and the first one from there on.
///
/// At random, executions take turns: threads are chosen evenly, or by priorities that change never, once, twice and so on;
/// and each of these with loads that read any store, or the newest.
class choices {
 public:
  explicit choices(std::uint64_t seed) : is_random_(seed != 0), random_(seed) {}

  void begin() {
    next_ = 0;
    if (is_random_) {
      longest_ = std::max(longest_, steps_);
      steps_ = 0;
      const std::uint64_t turn = begun_++;
      const std::size_t way = turn % (priorities::most_changes + 2);
      is_even_ = way == 0;
      reads_newest_ = turn / (priorities::most_changes + 2) % 2 != 0;
      if (!is_even_) {
        priorities_.begin(random_, way - 1, longest_);
      }
    }
  }

  /// Chooses which thread makes the next step. Takes those that may, and the one to prefer; in a replay `awake` is not
  /// looked at.
  ///
  /// Returns   the thread.
  std::size_t thread(thread_set awake, std::size_t preferred) {
    if (is_random_) {
      ++steps_;
      return is_even_ ? pick(awake) : priorities_.pick(awake);
    }
    if (next_ == points_.size()) {
      const auto first =
          ((awake >> preferred) & 1) != 0 ? preferred : static_cast<std::size_t>(std::countr_zero(awake));
      points_.push_back({awake & ~(thread_set{1} << first), 0, first});
    }
    return points_[next_++].current;
  }

  /// Returns   the threads whose steps have been explored before, at the point where `thread` was asked last.
  thread_set explored() const noexcept { return is_random_ ? 0 : points_[next_ - 1].explored; }

  /// Returns   one of 0 .. count-1; 0 is the newest store, where it is about these.
  std::size_t one_of(std::size_t count) {
    if (count == 1) {
      return 0;
    }
    if (is_random_) {
      return reads_newest_ ? 0 : static_cast<std::size_t>(random_() % count);
    }
    if (next_ == points_.size()) {
      thread_set rest = 0;
      for (std::size_t i = 1; i < count; ++i) {
        rest |= thread_set{1} << i;
      }
      points_.push_back({rest, 0, 0});
    }
    return points_[next_++].current;
  }

  /// Returns   whether the execution has asked for less than the one before it, of which it should be a copy up to
  /// here.
  bool has_strayed() const noexcept { return next_ < points_.size(); }

  /// Goes on to the next execution.
  ///
  /// Returns   false when all have been explored.
  bool advance() {
    if (is_random_) {
      return true;
    }
    while (!points_.empty()) {
      point& last = points_.back();
      if (last.untried != 0) {
        last.explored |= thread_set{1} << last.current;
        last.current = static_cast<std::size_t>(std::countr_zero(last.untried));
        last.untried &= last.untried - 1;
        return true;
      }
      points_.pop_back();
    }
    return false;
  }

 private:
  struct point {
    thread_set untried;
    thread_set explored;
    std::size_t current;
  };

  std::size_t pick(thread_set from) {
    for (auto skip = random_() % static_cast<unsigned>(std::popcount(from)); skip != 0; --skip) {
      from &= from - 1;
    }
    return static_cast<std::size_t>(std::countr_zero(from));
  }

  bool is_random_;
  std::mt19937_64 random_;
  std::uint64_t begun_ = 0;  // random executions
  bool is_even_ = true;
  bool reads_newest_ = false;
  priorities priorities_;
  std::size_t steps_ = 0;    // of this one, where there was a choice
  std::size_t longest_ = 1;  // of those before
  std::vector<point> points_;
  std::size_t next_ = 0;
};

}  // namespace martlet::model
