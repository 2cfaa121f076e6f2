#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace martlet::testing {

/// Lets this process start no more threads: as an ordinary user, since limits do not bind root. Exits with 77 where that
/// cannot be had.
inline void forbid_threads() {
  if (::geteuid() == 0 && ::setuid(65534) != 0) {
    ::_exit(77);
  }
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  if (::setrlimit(RLIMIT_NPROC, &none) != 0) {
    ::_exit(77);
  }
}

}  // namespace martlet::testing
