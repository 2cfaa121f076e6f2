#pragma once

#include <chrono>
#include <thread>

namespace martlet::testing {

/// Waits, as a plain thread, until `claim()` is true.
///
/// The bound is far beyond what any machine needs, so that only what never happens fails.
///
/// Returns   false when it never became true.
template <class Claim>
bool eventually(Claim claim, std::chrono::seconds bound = std::chrono::seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + bound;
  while (!claim()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace martlet::testing
