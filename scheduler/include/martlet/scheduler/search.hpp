#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>

#include <martlet/scheduler/explore.hpp>

namespace martlet::detail {

/// One run of a program in a simulation.
struct attempt {
  std::string failure;       // empty: it did not fail; of failures that are alike the same
  std::exception_ptr error;  // what the program threw, if that is C++'s
  schedule taken;
  std::uint64_t steps = 0;
};

/// What a search has found.
struct finding {
  struct failure {
    std::exception_ptr error;  // of `shrunk`
    std::uint64_t seed;
    strategy order;
    schedule found;   // the first that failed
    schedule shrunk;  // one that fails alike, and is no longer
  };

  std::uint64_t schedules = 0;  // that were tried
  std::optional<failure> failed;
};

/// Runs a program under many schedules until one fails, and looks for a short one that fails alike: the search of `explore`,
/// for programs of any language.
///
/// Takes     what runs the program once, from the beginning, in a simulation of these options. It may throw to end the search.
finding search(const std::function<attempt(const simulation_options&)>& program, const exploration_options& options);

/// Returns   what `options` call it.
const char* name_of(strategy order) noexcept;

}  // namespace martlet::detail
