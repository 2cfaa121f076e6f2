#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "explore.hpp"
#include "weakening.hpp"

namespace martlet::model {

/// Why an operation's order is stronger than the programs of a test need it.
struct argument {
  const char* code;  // part of the line
  memory_order to;   // the weakest order that the programs are content with
  const char* why;
};

/// A program that holds, and how it is explored.
struct explored {
  explored(void (*of)(), options in = {}) : program(of), how(std::move(in)) {}

  void (*program)();
  options how;
};

/// Weakens the memory order of each operation of the code under test, step by step for as long as all programs still hold;
/// takes each fence away. Writes a table to standard output, a line for each operation.
///
/// Takes     programs that hold; parts of paths or labels, which say what is theirs to judge, of what their threads pass
///           through; and the arguments for what survives.
/// Returns   a sentence for each operation that could be weaker without an argument, and for each argument that is not
///           needed.
std::vector<std::string> unexplained_mutants(const std::vector<explored>& programs,
                                             const std::vector<std::string>& judged,
                                             const std::vector<argument>& arguments);

/// Weakens the operation on the one line with this code, for a test that shows that the checker finds it.
report explore_weakened(const std::function<void()>& program, const char* code, memory_order to);

}  // namespace martlet::model
