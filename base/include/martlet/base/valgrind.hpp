#pragma once

#include <cstddef>

/// The one door to what valgrind wants to be told. It is told at run time, by every build for which valgrind's headers were
/// there; without them every function here is empty.

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define MARTLET_VALGRIND 1
#endif
#endif
#ifndef MARTLET_VALGRIND
#define MARTLET_VALGRIND 0
#endif

namespace martlet::base {

/// Returns   whether valgrind runs this process.
/// Cost      2 ns
inline bool is_under_valgrind() noexcept {
#if MARTLET_VALGRIND
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

/// Says that [low, low + bytes) is a stack: who goes there has switched, and has not pushed all that lies between.
inline void valgrind_stack([[maybe_unused]] const void* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if MARTLET_VALGRIND
  static_cast<void>(VALGRIND_STACK_REGISTER(low, static_cast<const char*>(low) + bytes - 1));
#endif
}

/// Says that nobody has written to these bytes yet, and that one may.
inline void valgrind_fresh([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) noexcept {
#if MARTLET_VALGRIND
  static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(from, bytes));
#endif
}

}  // namespace martlet::base
