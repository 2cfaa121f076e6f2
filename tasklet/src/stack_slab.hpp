#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

#include <martlet/tasklet/stack_pool.hpp>

namespace martlet::detail {

/// The head of a slab of stacks of one class; its records follow, then its stacks (stack_pool.hpp).
struct alignas(16) stack_slab {
  stack_slab* older;
  std::byte* first;  // the first guard page
  std::size_t mapped_bytes;
  std::size_t page_bytes;
  std::size_t class_index;
  std::uint32_t count;
  std::uint32_t carved;   // how many were handed out since it was vacant; under the class's lock, as all below
  std::uint32_t guarded;  // how many of the first have a guard from the time before
  std::uint32_t cold;     // stacks in the list of cold guarded ones
  bool is_retiring;       // all of them are, and are being taken out of there
  bool is_watched;        // valgrind knows its stacks; written once
  stack_slab* next_vacant;

  stack_record* records() noexcept { return reinterpret_cast<stack_record*>(this + 1); }

  static stack_slab* of(stack_record* record) noexcept {
    return reinterpret_cast<stack_slab*>(record - record->index) - 1;
  }

  /// Returns   how far the stacks lie apart, guards included.
  std::size_t stride(std::size_t stack_bytes) const noexcept { return page_bytes + stack_bytes; }

  /// Returns   the lowest usable byte of a stack.
  std::byte* low_of(std::size_t index, std::size_t stack_bytes) const noexcept {
    return first + index * stride(stack_bytes) + page_bytes;
  }

  /// Returns   where it begins, coloured: staggered by cache lines over half a page.
  static std::byte* top_of(std::byte* low, std::size_t index, std::size_t stack_bytes) noexcept {
    constexpr std::size_t colours = 32;
    constexpr std::size_t cache_line = 64;
    return low + stack_bytes - index % colours * cache_line;
  }
};

[[noreturn]] inline void throw_stack_error(int error, const std::string& sentence) {
  throw std::system_error(error, std::generic_category(), "martlet: " + sentence);
}

}  // namespace martlet::detail
