#include "schedule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace martlet::loadtest {

request_chooser::request_chooser(const scenario& what) : count_(what.requests.size()) {
  if (!what.is_weighted) return;
  double sum = 0;
  for (const auto& step : what.requests) weights_up_to_.push_back(sum += step.weight);
}

std::size_t request_chooser::choose(std::uint64_t before, user_random& random) const {
  if (weights_up_to_.empty()) return static_cast<std::size_t>(before % count_);
  const auto wanted = random.unit() * weights_up_to_.back();  // above 0, so that the first has its share and no more
  return static_cast<std::size_t>(std::lower_bound(weights_up_to_.begin(), weights_up_to_.end() - 1, wanted) -
                                  weights_up_to_.begin());
}

arrival_times::arrival_times(const constant_rate_model& model, const scenario& what, base::instant start)
    : start_(start), interval_(1e9 / model.rate), count_(std::numeric_limits<std::uint64_t>::max()) {
  if (what.total_requests) count_ = *what.total_requests;
  if (model.duration) {
    // The first at once, the last before the duration is over; a hair less than a whole number was rounded.
    const double fitting = std::ceil(static_cast<double>(model.duration->count()) / interval_ - 1e-6);
    count_ = std::min(count_, static_cast<std::uint64_t>(std::max(fitting, 1.0)));
  }
}

base::instant arrival_times::at(std::uint64_t number) const noexcept {
  return start_ + static_cast<base::instant>(static_cast<double>(number) * interval_);
}

base::instant begin_of_user(const closed_model& model, base::instant start, std::uint64_t id) {
  return start + static_cast<base::instant>(static_cast<double>(model.ramp_up.count()) * static_cast<double>(id) /
                                            static_cast<double>(model.users));
}

std::uint64_t requests_of_user(const closed_model& model, const scenario& what, std::uint64_t id) {
  auto most = what.share_of(id).value_or(std::numeric_limits<std::uint64_t>::max());
  // 1e12 iterations of 1,000 requests are below 2^64.
  if (model.iterations) most = std::min(most, *model.iterations * (what.is_weighted ? 1 : what.requests.size()));
  return most;
}

}  // namespace martlet::loadtest
