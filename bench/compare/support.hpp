#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>

/// Does the work twice and prints the nanoseconds of each operation the second time, for `run.py`.
///
/// Takes     the command line, whose only argument is how many threads may be used; how many operations `work(threads)`
///           does. `work` returns whether all of it was really done.
/// Returns   the exit code.
template <class Work>
int report(int count, char** arguments, long operations, Work work) {
  const int threads = count == 2 ? std::atoi(arguments[1]) : 0;
  if (threads <= 0) {
    std::fprintf(stderr, "usage: %s THREADS\n", arguments[0]);
    return 2;
  }
  using clock = std::chrono::steady_clock;
  double nanoseconds = 0;
  for (int pass = 0; pass < 2; ++pass) {
    const auto start = clock::now();
    if (!work(threads)) {
      std::fprintf(stderr, "%s: the work was not done\n", arguments[0]);
      return 1;
    }
    nanoseconds = std::chrono::duration<double, std::nano>(clock::now() - start).count();
  }
  std::printf("%.3f\n", nanoseconds / static_cast<double>(operations));
  return 0;
}
