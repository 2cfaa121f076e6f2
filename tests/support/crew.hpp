#pragma once

#include <thread>
#include <utility>
#include <vector>

#include <martlet/scheduler.hpp>

namespace martlet::testing {

/// The three who may wait in an operation.
enum class actor { coroutine, fiber, thread };
inline constexpr actor all_actors[] = {actor::coroutine, actor::fiber, actor::thread};

/// Runs the same work as coroutines, fibers and plain threads, and waits for all of it.
class crew {
 public:
  explicit crew(scheduler& pool) : pool_(&pool) {}
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() { join(); }

  /// Starts one: `as_task` gives the task for a coroutine, `blocking` is called in a fiber or a thread.
  template <class Task, class Blocking>
  void add(actor kind, Task as_task, Blocking blocking) {
    switch (kind) {
      case actor::coroutine: tasklets_.push_back(pool_->spawn(std::move(as_task))); break;
      case actor::fiber: tasklets_.push_back(pool_->spawn(std::move(blocking))); break;
      case actor::thread: threads_.emplace_back(std::move(blocking)); break;
    }
  }

  void join() {
    for (auto& h : tasklets_) {
      martlet::await(h.join());
    }
    for (auto& t : threads_) {
      t.join();
    }
    tasklets_.clear();
    threads_.clear();
  }

 private:
  scheduler* pool_;
  std::vector<handle<>> tasklets_;
  std::vector<std::thread> threads_;
};

}  // namespace martlet::testing
