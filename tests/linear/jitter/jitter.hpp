#pragma once

#include <cstdint>

namespace martlet::testing {

/// Has threads pause now and then before an operation on an atomic, while it lives: what lies between two such operations
/// of a thread becomes long enough for others to come in between.
///
/// Most pauses are short, some let another thread run, a few sleep. Each thread draws its own from the seed and from how
/// many threads came before it: a seed gives the same pauses again as far as threads do the same again. One at a time.
///
/// Source    Edelstein, Farchi, Nir, Ratsaby, Ur: Multithreaded Java program test generation. IBM Systems Journal 41(1),
///           2002, doi:10.1147/sj.411.0111 (noise at each access to what is shared).
class jitter {
 public:
  /// Takes     the seed; with 0 nobody pauses.
  explicit jitter(std::uint64_t seed) noexcept;
  jitter(const jitter&) = delete;
  jitter& operator=(const jitter&) = delete;
  ~jitter();

  /// Where a thread may pause. Safe in a signal handler.
  static void point() noexcept;
};

}  // namespace martlet::testing
