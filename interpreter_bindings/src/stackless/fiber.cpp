#include "fiber.hpp"

#include "schedule.hpp"

#include <memory>
#include <new>
#include <system_error>

namespace martlet::python::stackless {
namespace {

// How much of the stack's top is memory for frames; a page less so much is what both sides of the boundary share at least.
constexpr std::size_t data_bytes = (std::size_t{16} << 10) - 2600;

constexpr std::size_t aligned(std::size_t bytes) noexcept { return bytes & ~std::size_t{63}; }

data_stack make_data_stack(std::byte* at, std::byte* end) noexcept {
  auto* chunk = reinterpret_cast<_PyStackChunk*>(at);
  chunk->previous = nullptr;
  chunk->size = static_cast<std::size_t>(end - at);
  chunk->top = 0;
  // CPython leaves the first word of a thread's first chunk free, so that no frame lies at its beginning: the end of such a
  // frame would free the chunk.
  return {chunk, &chunk->data[1], reinterpret_cast<PyObject**>(end)};
}

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
  std::byte* data = memory.top - aligned(data_bytes);
  auto* made = std::construct_at(reinterpret_cast<fiber*>(data - aligned(sizeof(fiber) + 63)));
  made->memory = memory;
  made->home = &home;
  made->first_data = make_data_stack(data, memory.top);
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
