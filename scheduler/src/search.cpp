#include <martlet/scheduler/search.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace martlet::detail {
namespace {

using program_type = std::function<attempt(const simulation_options&)>;

simulation_options how_to_follow(const schedule& recorded, std::uint64_t most_steps) {
  return {.seed = recorded.seed, .order = strategy::follow, .recorded = recorded, .most_steps = most_steps};
}

// Leaves out choices as long as the program fails alike: halves, then quarters, and so on.
// Source: Zeller, Hildebrandt: Simplifying and isolating failure-inducing input. IEEE Transactions on Software Engineering
// 28(2), 2002, doi:10.1109/32.988498.
void shrink(finding::failure& failed, const std::string& alike, const program_type& program, std::uint64_t most_steps,
            std::uint64_t tries) {
  schedule best = failed.found;
  for (std::size_t parts = 2; !best.choices.empty() && tries != 0;) {
    const std::size_t size = (best.choices.size() + parts - 1) / parts;
    bool has_shrunk = false;
    for (std::size_t from = 0; from < best.choices.size() && tries != 0; from += size) {
      schedule less{.seed = best.seed, .choices = {}};
      const std::size_t to = std::min(from + size, best.choices.size());
      std::copy_n(best.choices.begin(), from, std::back_inserter(less.choices));
      std::copy(best.choices.begin() + static_cast<std::ptrdiff_t>(to), best.choices.end(),
                std::back_inserter(less.choices));
      --tries;
      attempt one = program(how_to_follow(less, most_steps));
      if (one.failure == alike && one.taken.choices.size() < best.choices.size()) {
        best = std::move(one.taken);
        failed.error = std::move(one.error);
        has_shrunk = true;
        break;
      }
    }
    if (has_shrunk) {
      parts = std::max<std::size_t>(parts - 1, 2);
    } else if (size == 1) {
      break;
    } else {
      parts = std::min(2 * parts, best.choices.size());
    }
  }
  failed.shrunk = std::move(best);
}

}  // namespace

finding search(const program_type& program, const exploration_options& options) {
  finding result;
  std::uint64_t usual_steps = 100;
  while (result.schedules < options.schedules) {
    simulation_options how{
        .seed = options.first_seed + result.schedules, .expected_steps = usual_steps, .most_steps = options.most_steps};
    if (result.schedules % 2 != 0) {
      how.order = strategy::pct;
      how.depth = 2 + static_cast<unsigned>(result.schedules / 2 % 3);
    }
    ++result.schedules;
    attempt one = program(how);
    usual_steps = std::max<std::uint64_t>(1, one.steps);
    if (!one.failure.empty()) {
      result.failed = finding::failure{.error = std::move(one.error),
                                       .seed = how.seed,
                                       .order = how.order,
                                       .found = std::move(one.taken),
                                       .shrunk = {}};
      shrink(*result.failed, one.failure, program, std::min(options.most_steps, 10 * one.steps + 1000),
             options.shrinking);
      break;
    }
  }
  return result;
}

const char* name_of(strategy order) noexcept {
  switch (order) {
    case strategy::uniform: return "uniform";
    case strategy::pct: return "pct";
    case strategy::round_robin: return "round_robin";
    case strategy::replay: return "replay";
    case strategy::follow: break;
  }
  return "follow";
}

}  // namespace martlet::detail
