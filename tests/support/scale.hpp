#pragma once

#include <cstdlib>
#include <string_view>

#include <martlet/base/sanitizer.hpp>

/// How much a test does: all of it at the level that a suite was started with, less where a sanitizer makes it slow.
namespace martlet::testing {

enum class level { quick, stress, thorough };

/// Returns   what MARTLET_TEST_LEVEL asks for; quick when it is not set.
inline level test_level() {
  const char* asked = std::getenv("MARTLET_TEST_LEVEL");
  const std::string_view name = asked == nullptr ? "" : asked;
  return name == "thorough" ? level::thorough : name == "stress" ? level::stress : level::quick;
}

inline constexpr bool is_watched = MARTLET_ASAN != 0 || MARTLET_TSAN != 0;

/// How much slower a step is under the sanitizer of this build, roughly.
inline constexpr int slowdown = MARTLET_TSAN != 0 ? 20 : MARTLET_ASAN != 0 ? 5 : 1;

/// Returns   `count`, or a part of it under a sanitizer, which makes each step dearer; at least 1.
constexpr int scaled(int count) { return count / slowdown > 0 ? count / slowdown : 1; }

/// Returns   the count that belongs to the level of this run; scaled too.
inline int by_level(int quick, int stress) { return scaled(test_level() == level::quick ? quick : stress); }

/// Returns   `count`, but never more fibers than TSan can tell apart (8,128, and threads count too).
constexpr int fibers(int count) { return MARTLET_TSAN != 0 && count > 4000 ? 4000 : count; }

}  // namespace martlet::testing
