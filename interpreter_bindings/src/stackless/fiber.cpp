#include "fiber.hpp"

#include "schedule.hpp"

#include <memory>
#include <new>
#include <system_error>

namespace martlet::python::stackless {
namespace {

void nothing(void*) {}

void give_back(void* self) {
  auto* mine = static_cast<fiber*>(self);
  const detail::stack memory = mine->memory;
  std::destroy_at(mine);  // it lies there
  detail::stacks().give_back(memory);
}

}  // namespace

fiber* fiber::make(thread& home) {
  const detail::stack memory = detail::stacks().take(function_stack_bytes);
  const data_stack data = data_stack::in(memory);
  constexpr std::size_t bytes = (sizeof(fiber) + 63) & ~std::size_t{63};
  auto* made = std::construct_at(reinterpret_cast<fiber*>(data.begin() - bytes));
  made->memory = memory;
  made->home = &home;
  made->first_data = data;
  made->flow.prepare(made->c_stack(), &run_fiber, made);
  return made;
}

void adopt(thread& here, tasklet& one, fiber& on) noexcept {
  PyObject* context = nullptr;
  {
    const guard held(chains);
    one.stack = &on;
    one.what = stage::started;
    here.link_started(one);
    context = std::exchange(one.context, nullptr);
  }
  on.runs = &one;
  on.state = saved_thread_state{};
  on.state.begin(here.state, on.c_stack(), on.first_data, context);
  one.start_time = now();
}

void keep_spare(thread& here, fiber& one) noexcept {
  one.next_spare = here.spares;
  here.spares = &one;
  ++here.spare_count;
}

fiber* take_fiber(thread& here) {
  if (here.spares != nullptr) {
    --here.spare_count;
    return std::exchange(here.spares, here.spares->next_spare);
  }
  try {
    return fiber::make(here);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error& error) {
    PyErr_Format(PyExc_MemoryError, "martlet.stackless: there is no stack for another tasklet: %s", error.what());
  }
  return nullptr;
}

void jump(thread& here, fiber& mine, fiber& other) noexcept {
  here.target = &other;
  if (&mine == &here.own) {
    here.carrier.note_control_bits();
    do {
      here.target->flow.resume(here.carrier);
    } while (here.target != &here.own);  // one that ends for good comes here on its way to the next
  } else if (&other == &here.own) {
    mine.flow.suspend();
  } else {
    mine.flow.begin_hand_over();
    mine.flow.hand_over(other.flow, &nothing, nullptr);
  }
}

void finish(fiber& mine) noexcept { mine.flow.finish(&give_back, &mine); }

}  // namespace martlet::python::stackless
