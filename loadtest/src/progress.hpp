#pragma once

#include <martlet/loadtest/results.hpp>

#include <chrono>
#include <cstdio>
#include <string>

namespace martlet::loadtest {

/// Shows the live line: once a second, what the last second brought.
class progress {
 public:
  /// Takes     where to write; whether the line is rewritten in place, as on a terminal, or each gets its own.
  progress(std::FILE* out, bool in_place) : out_(out), in_place_(in_place) {}

  /// Shows the counts at this time, compared with those shown before.
  void show(std::chrono::nanoseconds elapsed, tally counts);

  /// Removes the line, so that the summary begins on an empty one.
  void finish();

  /// Gives the line without writing it.
  static std::string line(std::chrono::nanoseconds elapsed, const tally& counts,
                          std::chrono::nanoseconds elapsed_before, const tally& before);

 private:
  std::FILE* out_;
  bool in_place_;
  bool is_shown_ = false;
  std::chrono::nanoseconds elapsed_{0};
  tally counts_;
};

}  // namespace martlet::loadtest
