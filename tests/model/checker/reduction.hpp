#pragma once

#include <array>
#include <cstddef>

#include "operation.hpp"
#include "view.hpp"

namespace martlet::model {

/// Knows which next steps need not be explored, because an execution explored before differs only in the order of
/// steps that commute (sleep sets).
///
/// A step is a thread and, where it reads, the store that it reads from. When all steps of a thread have been explored
/// in a state they are *covered*, and stay so while others make steps that commute with them. Of a thread that will
/// read, a store by another covers nothing but itself: reading an older store before it or after it is the same. So for
/// each thread there is one number: the stores below it have been covered.
///
/// Commuting: two steps of different threads commute unless
///   - both may write the same location;
///   - one reads what the other writes there, or both are seq_cst and one of them writes;
///   - both are seq_cst loads of the same location (what one has read bounds the other);
///   - one is a full fence, and the other too or seq_cst;
///   - one is a heavy fence's visit to a thread, and the other is a fence of that thread;
///   - one writes a location that the other pauses for;
///   - both are pauses that may end at a time, and these times differ: whoever comes to his moves the time on.
///
/// Source    Godefroid: Partial-order methods for the verification of concurrent systems. LNCS 1032, 1996 (sleep sets).
class reduction {
 public:
  void begin() noexcept { covered_.fill(0); }

  /// Returns   the oldest store that is worth reading.
  place covered(std::size_t thread) const noexcept { return covered_[thread]; }
  bool is_awake(std::size_t thread) const noexcept { return covered_[thread] != no_place_is_past; }

  void cover(std::size_t thread) noexcept { covered_[thread] = no_place_is_past; }

  /// Notes a step. Takes what each thread will do next, and the place of what the step has written, or 0.
  void step(std::size_t thread, const operation& made, place written, const std::array<operation, max_threads>& next) {
    for (std::size_t other = 0; other < max_threads; ++other) {
      if (other == thread || covered_[other] == 0) {
        continue;
      }
      if (conflict(thread, made, written != 0, other, next[other])) {
        covered_[other] = 0;
      } else if (written != 0 && reads(next[other].what) && made.location == next[other].location) {
        covered_[other] = std::min(covered_[other], written);
      }
    }
    covered_[thread] = 0;  // its next step is another one
  }

 private:
  static bool conflict(std::size_t thread, const operation& made, bool wrote, std::size_t other,
                       const operation& next) noexcept {
    if (is_full_fence(made.what) && (is_full_fence(next.what) || next.is_seq_cst())) {
      return true;
    }
    if (is_full_fence(next.what) && made.is_seq_cst()) {
      return true;
    }
    if (touches_visitor(made, other, next) || touches_visitor(next, thread, made)) {
      return true;
    }
    if (made.what == kind::pause && made.has_limit() && may_write(next.what) && made.watched[next.location]) {
      return true;
    }
    if (next.what == kind::pause) {
      const bool are_at_times = made.what == kind::pause && made.has_limit() && next.has_limit();
      return (wrote && next.watched[made.location]) || (are_at_times && made.limit != next.limit);
    }
    if (!(reads(made.what) || wrote) || !(reads(next.what) || may_write(next.what)) || made.location != next.location) {
      return false;
    }
    if (wrote && may_write(next.what)) {
      // A compare-exchange that reads the newest store competes; `covered` keeps its older ones.
      return !reads(next.what);
    }
    return made.is_seq_cst() && next.is_seq_cst() && !wrote;
  }

  // Whether `step` is a visit to the thread that makes `its`, which fences.
  static bool touches_visitor(const operation& step, std::size_t its_thread, const operation& its) noexcept {
    return step.what == kind::visit && step.target == its_thread && its.what == kind::light_fence;
  }

  std::array<place, max_threads> covered_{};
};

}  // namespace martlet::model
