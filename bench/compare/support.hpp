#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

/// What the programs of `./dev compare` share; bench/compare/README.md says what they are asked and what they print.

/// What the command line asks for: how many threads may be used, and which variant of the workload.
struct asked {
  int threads;
  std::string_view variant;
};

/// One of the workload's figures.
struct figure {
  const char* name;
  double value;
};

/// Does the work twice and prints the figures of the second time.
///
/// Takes     the command line; `work(asked)` returns the figures, or none unless all of it was really done.
/// Returns   the exit code.
template <class Work>
int report_figures(int count, char** arguments, Work work) {
  const int threads = count == 3 ? std::atoi(arguments[1]) : 0;
  if (threads <= 0) {
    std::fprintf(stderr, "usage: %s THREADS VARIANT\n", arguments[0]);
    return 2;
  }
  std::vector<figure> figures;
  for (int pass = 0; pass < 2; ++pass) {
    figures = work(asked{threads, arguments[2]});
    if (figures.empty()) {
      std::fprintf(stderr, "%s: the work was not done\n", arguments[0]);
      return 1;
    }
  }
  for (const figure& one : figures) {
    std::printf("%s %.3f\n", one.name, one.value);
  }
  return 0;
}

/// The same for work whose only figure is how long it takes.
///
/// Takes     the figure's name; how many nanoseconds it counts in; `work(asked)` returns whether all of it was really done.
template <class Work>
int report_time(int count, char** arguments, const char* name, double unit, Work work) {
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    const auto start = std::chrono::steady_clock::now();
    if (!work(what)) {
      return {};
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return {{name, took.count() / unit}};
  });
}

/// The same as `ns`, the nanoseconds of each of so many operations.
template <class Work>
int report(int count, char** arguments, long operations, Work work) {
  return report_time(count, arguments, "ns", static_cast<double>(operations), work);
}

/// The same as `ms`, the milliseconds of all of it.
template <class Work>
int report_ms(int count, char** arguments, Work work) {
  return report_time(count, arguments, "ms", 1e6, work);
}

/// Returns   seconds of processor time of the process, user and system.
inline double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

/// Returns   the bytes of the process that are in memory.
inline double resident_bytes() {
  double pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r"); file != nullptr) {
    if (std::fscanf(file, "%*s %lf", &pages) != 1) {
      pages = 0;
    }
    std::fclose(file);
  }
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Returns   the value below which `share` of all lie.
inline double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}
