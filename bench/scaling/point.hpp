#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "../support/measuring.hpp"

/// What the programs of `./dev scaling` share; bench/scaling/README.md says how they are called and what they print.
namespace martlet::bench {

/// What the command line asks for: a point of a series.
struct point {
  int workers;
  long size;  // of what grows; each program says what it counts
};

/// Returns   the point; ends the program with a sentence when there is none on the command line.
inline point point_of(int count, char** arguments) {
  const point asked{count == 3 ? std::atoi(arguments[1]) : 0, count == 3 ? std::atol(arguments[2]) : 0};
  if (asked.workers <= 0 || asked.size <= 0) {
    std::fprintf(stderr, "usage: %s WORKERS SIZE, both 1 or more\n", arguments[0]);
    std::exit(2);
  }
  return asked;
}

inline void print_figure(const char* name, double value) { std::printf("%s %.3f\n", name, value); }

/// Measures time from its making on.
class stopwatch {
 public:
  double ns() const {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace martlet::bench
