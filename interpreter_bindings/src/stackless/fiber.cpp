#include "fiber.hpp"

#include "schedule.hpp"
#include "thread.hpp"

#include <memory>
#include <new>

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

}  // namespace martlet::python::stackless
