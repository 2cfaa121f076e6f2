#include <martlet/tasklet/fiber.hpp>

#include <martlet/base/fork.hpp>
#include <martlet/tasklet/task.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {
namespace {

constinit stack_pool all_stacks;

constinit base::fork_hook stack_hook{.order = 40,
                                     .before = []() noexcept { all_stacks.hold(); },
                                     .in_parent = []() noexcept { all_stacks.let_go(); },
                                     .in_child = []() noexcept { all_stacks.let_go(); }};

// On the worker's stack, when the fiber has left its own: from here on another worker may run it.
void after_leaving(void* argument) {
  auto& core = *static_cast<fiber_core*>(argument);
  tasklet& who = core.who;
  host* here = who.at();
  here->fiber_ = nullptr;
  if (!core.publish(core.operation)) {
    here->transfer_ = &who;  // there was nothing to wait for in the end
  }
}

// A fiber that yields stands in the queue already; now that it has left its stack others may take it from there.
void after_rotating(void* here) { static_cast<host*>(here)->queues_.leave(); }

}  // namespace

stack_pool& stacks() noexcept { return all_stacks; }

void keep_stacks_over_forks() noexcept { base::register_fork_hook(stack_hook); }

void leave_fiber(host& here, void* operation, bool (*publish)(void*)) noexcept {
  fiber_core& core = *here.fiber_;
  core.operation = operation;
  core.publish = publish;
  core.flow.suspend(after_leaving, &core);
}

void yield_fiber(host& here) noexcept {
  fiber_core& core = *here.fiber_;
  core.flow.begin_hand_over();
  tasklet* next = here.executor_->rotate(&core.who, &core.who, here);
  if (next != nullptr && next->kind_ == kind::fiber) [[likely]] {
    if (fiber_core& other = fiber_core::of(*next); other.flow.is_placed()) [[likely]] {
      here.fiber_ = &other;
      core.flow.hand_over(other.flow, after_rotating, &here);
      return;
    }
  }
  if (next != nullptr) {
    here.fiber_ = nullptr;
    here.transfer_ = next;
    core.flow.suspend(after_rotating, &here);
    return;
  }
  leave_fiber(here, &core.who, [](void* who) {
    auto* fiber = static_cast<tasklet*>(who);
    host* at = fiber->at();
    at->executor_->ready(fiber, fiber, at, turn::last);
    return true;
  });
}

void end_fiber(fiber_core& core, const std::exception_ptr* error) noexcept {
  tasklet& who = core.who;
  who.at()->fiber_ = nullptr;
  all_stacks.give_back(core.memory);
  finish_root(&who, error);
}

}  // namespace martlet::detail

namespace martlet {

std::vector<stack_use> stack_uses() { return detail::all_stacks.uses(); }

std::size_t stack_high_water() noexcept {
  const detail::host* here = detail::current_host();
  return here == nullptr || here->fiber_ == nullptr ? 0 : detail::stack_pool::high_water(here->fiber_->memory);
}

}  // namespace martlet
