#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/bias_lock.hpp>
#include <martlet/base/current.hpp>
#include <martlet/base/thread_stack.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/held_locks.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

class carrier;
struct fiber_core;

/// What an OS thread offers to the tasklet that it runs. A worker is one; `base::current()` leads to it.
struct host {
  explicit host(executor* owner, unsigned index = 0, bool lent = false) noexcept
      : executor_(owner), index_(index), is_lent_(lent) {}
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  /// Returns   a number that is good enough for fairness.
  /// Source    Marsaglia: Xorshift RNGs. Journal of Statistical Software 8(14), 2003, doi:10.18637/jss.v008.i14.
  std::uint32_t random() noexcept {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return random_;
  }

  executor* executor_;
  base::atomic<tasklet*> current_{nullptr};  // the root that runs; others read it to tell running from queued
  // What the loop resumes before it looks into any queue: symmetric transfer. Every transfer returns to the loop first,
  // but for a fiber's that yields to a fiber.
  // A real tail call would save about a nanosecond and is not certain: g++ makes none below -O2 nor under the
  // sanitizers, and then three million transfers overflow the stack.
  tasklet* transfer_ = nullptr;
  tasklet* handoff_ = nullptr;   // runs next, at once: its waker has ended
  fiber_core* fiber_ = nullptr;  // of the fiber that runs, if one does
  int budget_ = 0;               // waits that may still succeed at once before the tasklet yields
  std::uint32_t random_ = 2463534242U;
  base::bias_lock queues_;      // held over what is ready here
  carrier* carrier_ = nullptr;  // what flows are resumed with; made on the thread itself
  frame_cache frames_;

  // Set by a tasklet whose kind needs something attached to the thread (an interpreter's thread state). The loop calls
  // it before it runs a tasklet of another kind and before it searches or sleeps.
  void (*detach_)(host&) = nullptr;
  void* attachment_ = nullptr;  // what is attached again the next time; of whoever set it, until the thread goes

  const unsigned index_;  // among the hosts of its executor
  const bool is_lent_;    // runs on a thread that called run_here
  bool reports_overflow_ = false;
  base::thread_stack stack_;  // what coroutines run on; of a worker's own thread, and where overflows are reported

  held_locks held_;
};

/// Returns   this thread's host, null on a thread that runs no tasklets.
inline host* current_host() noexcept { return static_cast<host*>(base::current()); }

/// Returns   the root that runs on this thread; null on a plain thread, and where martlet itself runs something on a worker.
inline tasklet* running_tasklet() noexcept {
  host* here = current_host();
  tasklet* self = here == nullptr ? nullptr : here->current_.load(base::relaxed);  // this thread wrote it
  return self == nullptr || self->kind_ == kind::thread ? nullptr : self;
}

}  // namespace martlet::detail
