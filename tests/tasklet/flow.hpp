#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <utility>

#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/stack_pool.hpp>

#if MARTLET_HAS_NATIVE_SWITCH
#define MARTLET_TEST_BACKENDS martlet::detail::native_context, martlet::detail::boost_context
#else
#define MARTLET_TEST_BACKENDS martlet::detail::boost_context
#endif

namespace martlet::testing {

inline constinit detail::stack_pool pool;

/// A flow with its stack, whose body is any callable; it may be resumed on any thread.
template <class Context>
class flow {
 public:
  using body_type = std::function<void(flow&)>;

  explicit flow(body_type body, std::size_t bytes = 262144) : body_(std::move(body)), stack_(pool.take(bytes)) {
    context_.prepare(stack_, &flow::enter, this);
  }
  flow(const flow&) = delete;
  flow& operator=(const flow&) = delete;
  ~flow() { pool.give_back(stack_); }

  void resume() {
    detail::carrier here;
    context_.resume(here);
  }
  void resume_elsewhere() {
    std::thread([this] { resume(); }).join();
  }
  void suspend() { context_.suspend(); }
  void suspend(void (*then)(void*), void* argument) { context_.suspend(then, argument); }
  void hand_over(flow& next, void (*then)(void*), void* argument) {
    context_.begin_hand_over();
    context_.hand_over(next.context_, then, argument);
  }
  bool is_finished() const { return is_finished_; }
  const detail::stack& memory() const { return stack_; }

 private:
  static void enter(void* self) {
    auto& me = *static_cast<flow*>(self);
    me.body_(me);
    me.context_.finish([](void* flow_) { static_cast<flow*>(flow_)->is_finished_ = true; }, self);
  }

  body_type body_;
  detail::stack stack_;
  Context context_;
  bool is_finished_ = false;
};

/// Calls `innermost` below `depth` frames of half a KiB.
[[gnu::noinline]] inline int nest(int depth, const std::function<void()>& innermost) {
  volatile char room[512];
  room[0] = static_cast<char>(depth);
  if (depth == 0) {
    innermost();
  } else {
    nest(depth - 1, innermost);
  }
  return room[0];
}

}  // namespace martlet::testing
