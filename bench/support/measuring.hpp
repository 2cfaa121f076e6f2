#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

/// What several benchmarks measure beside time.
namespace martlet::bench {

/// Stops the program unless the work was really done: a benchmark that skips it measures nothing.
inline void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "benchmark: it does not hold that %s\n", what);
    std::exit(2);
  }
}

/// Returns   a figure of /proc/self/smaps_rollup or /proc/self/status in bytes ("Rss", "VmPTE").
inline double memory_figure(const char* file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string word; lines >> word;) {
    if (double kilobytes = 0; word == name + ':' && lines >> kilobytes) {
      return kilobytes * 1024;
    }
  }
  require(false, "the kernel tells how much memory the process uses");
  return 0;
}

/// Returns   the bytes in memory. Exact: the kernel counts page by page.
inline double resident_bytes() { return memory_figure("/proc/self/smaps_rollup", "Rss"); }

/// Returns   the bytes of page tables, which are not resident memory of the process but cost as much.
inline double page_table_bytes() { return memory_figure("/proc/self/status", "VmPTE"); }

/// Returns   seconds of CPU, user and system, of this process or thread.
inline double cpu_seconds(clockid_t of = CLOCK_PROCESS_CPUTIME_ID) {
  timespec time{};
  ::clock_gettime(of, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Returns   the value below which `share` of all lie.
inline double quantile(std::vector<double>& values, double share) {
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace martlet::bench
