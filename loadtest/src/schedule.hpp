#pragma once

#include <martlet/base/clock.hpp>
#include <martlet/loadtest/random.hpp>
#include <martlet/loadtest/scenario.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace martlet::loadtest {

/// Chooses the request that comes next: in turn, or by weight.
class request_chooser {
 public:
  explicit request_chooser(const scenario& what);

  /// Gives an index into the scenario's requests.
  ///
  /// Takes     how many were chosen before, and where the randomness comes from (untouched without weights).
  std::size_t choose(std::uint64_t before, user_random& random) const;

 private:
  std::size_t count_;
  std::vector<double> weights_up_to_;  // sums; empty in a sequence
};

/// When the requests of a constant rate are to start, and how many there are.
class arrival_times {
 public:
  arrival_times(const constant_rate_model& model, const scenario& what, base::instant start);

  std::uint64_t count() const noexcept { return count_; }
  base::instant at(std::uint64_t number) const noexcept;

 private:
  base::instant start_;
  double interval_;  // ns
  std::uint64_t count_;
};

/// When user `id` of a closed model begins.
base::instant begin_of_user(const closed_model& model, base::instant start, std::uint64_t id);

/// How many requests user `id` of a closed model sends unless the time is up first; the largest number there is when only
/// the time ends it.
std::uint64_t requests_of_user(const closed_model& model, const scenario& what, std::uint64_t id);

}  // namespace martlet::loadtest
