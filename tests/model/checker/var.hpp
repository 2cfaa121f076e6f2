#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "execution.hpp"

namespace martlet::model {

/// Plain data of a program that is explored: fails when two threads use it, one of them writing, and neither use
/// happens before the other. To use it is no step: whether a race is there depends on what happens before what and not
/// on the moment.
///
/// Source    Flanagan, Freund: FastTrack. PLDI 2009, doi:10.1145/1542476.1542490.
template <class T>
class var {
 public:
  var() = default;
  explicit var(T value) : value_(std::move(value)) {}
  var(const var&) = delete;
  var& operator=(const var&) = delete;

  const T& get() const {
    note(reads_, writes_, writes_);
    return value_;
  }
  void set(T value) {
    note(writes_, writes_, reads_);
    value_ = std::move(value);
  }

 private:
  using steps = std::array<place, max_threads>;  // when each thread did it last

  static void note(steps& mine, const steps& others, const steps& more_others) {
    execution& here = execution::current();
    const steps& known = here.now().steps;
    for (std::size_t thread = 0; thread < max_threads; ++thread) {
      if (others[thread] > known[thread] || more_others[thread] > known[thread]) {
        here.fail("a data race: two threads use the same plain data, and neither use happens before the other");
      }
    }
    mine[here.thread()] = known[here.thread()];
  }

  T value_{};
  mutable steps reads_{};
  steps writes_{};
};

}  // namespace martlet::model
