#pragma once

#include <chrono>
#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/scheduler/blocking.hpp>
#include <martlet/scheduler/statistics.hpp>
#include <martlet/tasklet/core_slot.hpp>

#include <pthread.h>

namespace martlet::detail {

/// The threads of a scheduler that make its blocking calls: none before the first, a bounded number, and fewer again when
/// there is less to do.
///
/// A thread that takes a call claims its wait at that moment; from then on the call runs to its end. A tasklet whose call
/// is being made is "runnable" with the core beside the tag, so that it shows as blocked.
///
/// Invariants, under the lock: I1 each call in the queue has a thread that will look at the queue before it rests: one that
/// is called, starting or returning, or one that is busy because no more may be started; I2 `idle_` counts those that rest and have
/// not been called, `called_` the calls that nobody has answered yet; any thread that rests may answer; I3 of those that
/// have left all but the last have been joined, by the one that left after them.
class side_pool {
 public:
  /// Takes     how many threads there may be, and how long one waits for the next call before it ends.
  /// Throws    std::bad_alloc.
  side_pool(unsigned most_threads, std::chrono::nanoseconds patience);

  /// Makes one without threads: each call is made at once, in place of the wait, by whoever enters it.
  static constexpr struct in_place {
  } inline_calls{};
  explicit side_pool(in_place) : side_pool(0, {}) {}
  side_pool(const side_pool&) = delete;
  side_pool& operator=(const side_pool&) = delete;
  ~side_pool();

  wait_core& core() noexcept { return *core_; }

  // ---- under the core's lock

  void enter(blocking_call& call) noexcept;
  void withdraw(blocking_call& call) noexcept;

  // ---- without it

  /// Wakes or starts a thread if the queue needs one. Without any thread, and when none can be started, what is queued
  /// ends with that error. One without threads makes the calls.
  void summon() noexcept;

  /// Ends the threads and waits for them. Nobody waits in the queue any more.
  void stop() noexcept;

  void add_to(scheduler_statistics& sum) const noexcept;

 private:
  // In a slot: a canceller may come late, and lock what a scheduler that is gone has left.
  struct queue_core : wait_core {
    queue_core() noexcept : wait_core(keep_lock{}, kind::blocking) {}

    word_of_slot word;
    wait_list calls;
  };

  enum class reinforcement { none, call, start };

  static void* thread_main(void* pool) noexcept;
  void serve() noexcept;
  blocking_call* take() noexcept;
  std::uintptr_t word_of_call() const noexcept;
  void make(blocking_call& call) noexcept;
  void make_all_in_place() noexcept;
  bool rest() noexcept;
  void leave() noexcept;
  reinforcement plan() noexcept;
  void carry_out(reinforcement what) noexcept;
  void give_up_start(int error) noexcept;

  const core_slot<queue_core> core_;
  const unsigned most_threads_;
  const std::chrono::nanoseconds patience_;

  // Under the core's lock.
  unsigned queued_ = 0;
  unsigned threads_ = 0;  // also the one that is starting
  unsigned running_ = 0;
  unsigned returning_ = 0;  // threads that have made a call and will look at the queue once they have told its tasklet
  unsigned idle_ = 0;
  unsigned called_ = 0;
  bool is_starting_ = false;  // one at a time: the new one starts the next, so that a worker starts one at most
  bool is_stopping_ = false;
  bool has_left_ = false;
  pthread_t left_{};  // who left last, still to be joined

  // Whatever they tell of is found under the lock.
  base::futex_word told_{0};  // raised when somebody is called
  base::futex_word gone_{0};  // raised when one has left
};

}  // namespace martlet::detail
