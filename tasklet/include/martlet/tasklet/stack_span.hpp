#pragma once

#include <cstddef>

namespace martlet::detail {

/// The bytes [low, top) that a flow of control may use; it starts at the top and grows down.
struct stack_span {
  std::byte* low = nullptr;
  std::byte* top = nullptr;

  std::size_t size() const noexcept { return static_cast<std::size_t>(top - low); }
  bool contains(const void* address) const noexcept { return address >= low && address < top; }
};

}  // namespace martlet::detail
