#pragma once

#include <functional>
#include <string>
#include <vector>

#include "weakening.hpp"

namespace martlet::model {

/// Why an order is stronger than the programs of a test need it.
struct argument {
  const char* code;  // part of the line
  memory_order to;   // the weakest order that the programs are content with
  const char* why;
};

/// Weakens each memory order of the code under test by one step, and then by another for as long as all programs still
/// hold; takes each fence away. Orders on lines of the tests themselves are left alone. Writes a table to standard
/// output.
///
/// Takes     programs that hold, and the arguments for what survives.
/// Returns   a sentence for each mutant that survives without an argument, and for each argument that is not needed.
std::vector<std::string> unexplained_mutants(const std::vector<std::function<void()>>& programs,
                                             const std::vector<argument>& arguments);

}  // namespace martlet::model
