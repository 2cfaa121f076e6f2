#pragma once

#include <cstdint>

#include <martlet/tasklet/tasklet.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

/// A part of a tasklet that is a function: a frame made by hand that stands where an awaited coroutine would.
///
/// For an operation that has something to do between two waits. After `enter` it is the tasklet's innermost part, so its
/// function is called, on a worker (or on the thread that wakes a waiting thread), each time the tasklet is made ready. It
/// must not throw, and calls `leave` in the end.
struct step {
  explicit step(void (*resume)(void*)) noexcept : resume_(resume), record_(kind::coroutine) {}
  step(const step&) = delete;
  step& operator=(const step&) = delete;

  /// Makes it the innermost part of the tasklet of `who`. As an awaited child begins (task.hpp).
  void enter(waiter who) noexcept {
    record_.joiner_ = who.leaf;
    record_.link_ = who.root->link_;
    record_.word_.store(reinterpret_cast<std::uintptr_t>(who.root) | tasklet::bits(tag::child), base::relaxed);
    who.root->link_ = reinterpret_cast<std::uintptr_t>(&record_) | 1;
  }

  /// Ends its part.
  ///
  /// Returns   whose part it was, to be resumed.
  tasklet* leave() noexcept {
    record_.root()->link_ = record_.link_;
    return static_cast<tasklet*>(record_.joiner_);
  }

  void (*resume_)(void*);
  void (*destroy_)(void*) = nullptr;
  tasklet record_;
};

}  // namespace martlet::detail
