#include "turn_order.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <martlet/tasklet/errors.hpp>

namespace martlet::detail {
namespace {

class uniform_order final : public turn_order {
 public:
  explicit uniform_order(std::uint64_t seed) : random_(seed) {}

  simulated_tasklet& choose(const crossroads& here) override { return here.ready.at(random_() % here.ready.size()); }

 private:
  std::mt19937_64 random_;  // the standard says what it gives, as it does not of distributions
};

class round_robin_order final : public turn_order {
 public:
  simulated_tasklet& choose(const crossroads& here) override { return here.ready.oldest(); }
};

// Priorities are dealt out above `lowered`, and each change takes one below all that were dealt or lowered before. Who polls
// would keep out whoever it polls for, so one that the plain order would not let go on any longer is lowered too.
class pct_order final : public turn_order {
 public:
  explicit pct_order(const simulation_options& options) : random_(options.seed) {
    for (unsigned i = 1; i < options.depth; ++i) {
      changes_.push_back(random_() % options.expected_steps);
    }
    std::sort(changes_.begin(), changes_.end());
  }

  void begin(simulated_tasklet& who) override { who.priority = lowered | random_(); }

  simulated_tasklet& choose(const crossroads& here) override {
    for (; next_change_ < changes_.size() && changes_[next_change_] <= here.step; ++next_change_) {
      if (here.last != nullptr) {
        here.last->priority = --lowest_;
      }
    }
    simulated_tasklet* best = highest(here.ready);
    if (best == here.last && here.plain != best) {
      best->priority = --lowest_;
      best = highest(here.ready);
    }
    return *best;
  }

 private:
  static constexpr std::uint64_t lowered = std::uint64_t{1} << 63;

  static simulated_tasklet* highest(const ready_set& ready) noexcept {
    simulated_tasklet* best = &ready.at(0);
    for (std::size_t i = 1; i < ready.size(); ++i) {
      if (simulated_tasklet& one = ready.at(i);
          one.priority > best->priority || (one.priority == best->priority && one.number < best->number)) {
        best = &one;
      }
    }
    return best;
  }

  std::mt19937_64 random_;
  std::vector<std::uint64_t> changes_;  // the steps
  std::size_t next_change_ = 0;
  std::uint64_t lowest_ = lowered;
};

class recorded_order final : public turn_order {
 public:
  recorded_order(const schedule& recorded, bool is_strict) : choices_(recorded.choices), is_strict_(is_strict) {
    for (std::size_t i = 1; i < choices_.size(); ++i) {
      if (choices_[i].step <= choices_[i - 1].step) {
        throw misuse("schedule: expected steps that rise, found a choice at step " + std::to_string(choices_[i].step) +
                     " after one at step " + std::to_string(choices_[i - 1].step) +
                     "; sort them, and give each one choice");
      }
    }
  }

  simulated_tasklet& choose(const crossroads& here) override {
    while (next_ < choices_.size() && choices_[next_].step < here.step) {
      ++next_;
    }
    if (next_ == choices_.size() || choices_[next_].step != here.step) {
      return *here.plain;
    }
    const std::uint64_t wanted = choices_[next_++].tasklet;
    for (std::size_t i = 0; i < here.ready.size(); ++i) {
      if (here.ready.at(i).number == wanted) {
        return here.ready.at(i);
      }
    }
    if (is_strict_) {
      refuse(here, wanted);
    }
    return *here.plain;
  }

 private:
  [[noreturn]] static void refuse(const crossroads& here, std::uint64_t wanted) {
    std::vector<std::uint64_t> numbers;
    for (std::size_t i = 0; i < here.ready.size(); ++i) {
      numbers.push_back(here.ready.at(i).number);
    }
    std::sort(numbers.begin(), numbers.end());
    std::string there;
    for (const std::uint64_t number : numbers) {
      there += (there.empty() ? "" : ", ") + std::to_string(number);
    }
    throw misuse("replay: at step " + std::to_string(here.step) + " the schedule runs tasklet " +
                 std::to_string(wanted) + ", which is not ready; ready are " + there +
                 ". The program, or what it was given, has changed since the schedule was recorded: "
                 "strategy::follow passes over what does not fit");
  }

  const std::vector<schedule::choice> choices_;
  const bool is_strict_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<turn_order> make_turn_order(const simulation_options& options) {
  switch (options.order) {
    case strategy::uniform: return std::make_unique<uniform_order>(options.seed);
    case strategy::pct:
      if (options.depth == 0 || options.expected_steps == 0) {
        throw misuse("simulation_options: depth and expected_steps are counts of at least 1; found depth = " +
                     std::to_string(options.depth) + ", expected_steps = " + std::to_string(options.expected_steps));
      }
      return std::make_unique<pct_order>(options);
    case strategy::round_robin: return std::make_unique<round_robin_order>();
    case strategy::replay: return std::make_unique<recorded_order>(options.recorded, true);
    case strategy::follow: break;
  }
  return std::make_unique<recorded_order>(options.recorded, false);
}

}  // namespace martlet::detail
