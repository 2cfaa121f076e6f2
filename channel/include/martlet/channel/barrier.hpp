#pragma once

#include <cstddef>

#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

namespace detail {

/// What a barrier is made of.
///
/// Invariants, under the lock: I1 `arrived` nodes stand in `waiters`, and fewer than `expected`; I2 who was taken out of
/// the list by a phase's end has arrived in that phase, however his wait ended.
struct barrier_core : wait_core {
  explicit barrier_core(std::size_t count) noexcept : wait_core(keep_lock{}, kind::barrier), expected(count) {}

  /// Ends the phase, under the lock.
  void end_phase(woken& all) noexcept;

  word_of_slot word;
  std::size_t expected;
  std::size_t arrived = 0;
  wait_list waiters;
};

/// `barrier::arrive_and_wait`.
class [[nodiscard("await it")]] barrier_arrival final : public case_operation<barrier_arrival> {
 public:
  explicit barrier_arrival(barrier_core& at) noexcept : at_(&at) {}

  wait_core& core() noexcept { return *at_; }
  bool try_now(tasklet*& nobody) noexcept;
  void link() noexcept {
    at_->waiters.push_back(*this);
    ++at_->arrived;
    state_ = state::waits;
  }
  void unlink() noexcept {
    wait_list::unlink(*this);
    --at_->arrived;
    state_ = state::withdrawn;
  }
  /// Returns   whether the phase had ended, and counted it, when a cancel or a limit ended the wait.
  bool is_fulfilled() const noexcept { return state_ == state::waits; }
  bool result();

 private:
  enum class state : unsigned char { made, waits, withdrawn, is_last, is_refused };

  barrier_core* at_;
  state state_ = state::made;
  wait_node* woken_ = nullptr;  // of the last to arrive: all others, which it makes ready
};

}  // namespace detail

/// Lets a fixed number of tasklets and threads wait for each other, phase after phase.
///
/// For computations in lock step. Where they only have to end together, use a `scope` or a `wait_group`.
///
/// ```cpp
/// martlet::barrier step(4);
/// for (int phase = 0; phase < 10; ++phase) {
///   compute(phase);
///   if (co_await step.arrive_and_wait()) {      // true for one of the four, the last
///     publish(phase);
///   }
/// }
/// ```
///
/// An arrival that ends by a cancel or a time limit is withdrawn, and the phase waits for another one in its place (or for
/// an `arrive_and_drop`); when the phase was complete in that moment, the arrival counts and the wait succeeds. That is
/// why an arrival takes a limit (`within`) but is no case of a `select`: two cases could have happened.
///
/// Destroy it when nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class barrier {
 public:
  /// Takes     how many have to arrive in each phase.
  /// Throws    misuse for 0, std::bad_alloc.
  explicit barrier(std::size_t count);
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;
  ~barrier();

  /// Arrives, and waits until all have.
  ///
  /// Returns   whether the caller was the last to arrive.
  /// Throws    cancelled; the arrival is then withdrawn. misuse when all have dropped out.
  /// Suspends  until the last one has arrived; resumed by that one's worker.
  detail::barrier_arrival arrive_and_wait() noexcept { return detail::barrier_arrival(*core_); }

  /// Arrives if no other is missing, and so ends the phase. Never suspends.
  ///
  /// Returns   false, without having arrived, when others are missing. Throws misuse when all have dropped out.
  bool try_arrive();

  /// Takes itself out of this phase and of all later ones. Never suspends.
  ///
  /// Throws    misuse when all have dropped out.
  void arrive_and_drop();

  /// Returns   how many have to arrive in a phase by now.
  std::size_t expected() const noexcept;

  /// Returns   how many have arrived in the present phase.
  std::size_t arrived() const noexcept;

 private:
  detail::core_slot<detail::barrier_core> core_;
};

}  // namespace martlet
