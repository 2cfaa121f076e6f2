#pragma once

#include <cstdio>

#include <unistd.h>

namespace martlet::testing {

/// Returns   the bytes of memory that the process has, VmRSS.
inline long resident_bytes() {
  long pages[2] = {};
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages[0], &pages[1]) != 2) {
      pages[1] = 0;
    }
    std::fclose(file);
  }
  return pages[1] * ::sysconf(_SC_PAGESIZE);
}

}  // namespace martlet::testing
