// The least that a child costs: a coroutine from a free list, two turns through a queue, a value. No scheduler, no record, nobody else
// who could take it. What one worker takes is held against it, since processors differ by more than limits may.
#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>

#include <benchmark/benchmark.h>

#include "../support/measuring.hpp"

namespace {

constexpr long children = 500'000;

class queue {
 public:
  void push(std::coroutine_handle<> who) { places_[tail_++ % places_.size()] = who; }
  bool empty() const { return head_ == tail_; }
  std::coroutine_handle<> pop() { return places_[head_++ % places_.size()]; }

 private:
  std::array<std::coroutine_handle<>, 256> places_{};
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

constinit queue ready;

struct child {
  struct promise_type {
    static void* operator new(std::size_t bytes) {
      void* mine = free;
      if (mine == nullptr) {
        return ::operator new(bytes);
      }
      free = *static_cast<void**>(mine);
      return mine;
    }
    static void operator delete(void* mine) {
      *static_cast<void**>(mine) = free;
      free = mine;
    }

    child get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept {
      ready.push(parent);
      return {};
    }
    void return_value(long is) { value = is; }
    void unhandled_exception() { std::terminate(); }

    static inline void* free = nullptr;  // all frames are of one size
    std::coroutine_handle<> parent;
    long value = 0;
  };

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> parent) const {
    frame.promise().parent = parent;
    ready.push(frame);
  }
  long await_resume() const {
    const long value = frame.promise().value;
    frame.destroy();
    return value;
  }

  std::coroutine_handle<promise_type> frame;
};

struct parent {
  struct promise_type {
    parent get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

[[gnu::noinline]] child twice(long value) { co_return 2 * value; }

parent await_each(long& sum) {
  for (long i = 0; i < children; ++i) {
    sum += co_await twice(i);
  }
}

void bare_child(benchmark::State& state) {
  while (state.KeepRunningBatch(children)) {
    long sum = 0;
    await_each(sum);
    while (!ready.empty()) {
      ready.pop().resume();
    }
    martlet::bench::require(sum == children * (children - 1), "every child's value was added");
  }
}
BENCHMARK(bare_child)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
