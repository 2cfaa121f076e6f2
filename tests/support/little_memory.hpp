#pragma once

#include <cstddef>
#include <cstdlib>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace martlet::testing {

/// Lets this process have so many bytes of address space more than it has.
inline void allow_more(std::size_t bytes) {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  const std::size_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + bytes;
  const rlimit little{limit, limit};
  ::setrlimit(RLIMIT_AS, &little);
}

/// Takes what malloc still has, so that nothing is left for anybody.
inline void eat_all() {
  allow_more(0);
  for (const std::size_t size : {std::size_t{1} << 20, std::size_t{1} << 16, std::size_t{4096}, std::size_t{512},
                                 std::size_t{128}, std::size_t{64}, std::size_t{24}}) {
    while (void* eaten = std::malloc(size)) {
      *static_cast<volatile char*>(eaten) = 1;
    }
  }
}

}  // namespace martlet::testing
