#include <martlet/scheduler/explore.hpp>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include <martlet/tasklet/failure.hpp>

namespace martlet {
namespace {

// One run of the program.
struct run {
  run(const std::function<void(simulation&)>& program, const simulation_options& how);

  std::exception_ptr error;
  schedule taken;
  std::uint64_t steps = 0;
};

run::run(const std::function<void(simulation&)>& program, const simulation_options& how) {
  scheduler_options rest;
  rest.on_unhandled = [this](const std::exception_ptr& failure, site) {
    if (error == nullptr) {
      error = failure;
    }
  };
  simulation sim(how, std::move(rest));
  try {
    program(sim);
    if (const shutdown_report left = sim.shutdown(std::chrono::seconds(0)); !left.is_complete()) {
      throw std::runtime_error("when the program had ended, there were tasklets that did not end though cancelled:\n" +
                               left.text());
    }
  } catch (...) {
    if (error == nullptr) {
      error = std::current_exception();
    }
  }
  taken = sim.taken();
  steps = sim.steps();
}

const std::type_info* type_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return &typeid(e);
  } catch (...) {
    return nullptr;
  }
}

bool fails_alike(const run& one, const std::exception_ptr& as) {
  if (one.error == nullptr) {
    return false;
  }
  const std::type_info* mine = type_of(one.error);
  const std::type_info* other = type_of(as);
  return mine == nullptr || other == nullptr ? mine == other : *mine == *other;
}

simulation_options how_to_follow(const schedule& recorded, std::uint64_t most_steps) {
  return {.seed = recorded.seed, .order = strategy::follow, .recorded = recorded, .most_steps = most_steps};
}

// Leaves out choices as long as the program fails alike: halves, then quarters, and so on.
// Source: Zeller, Hildebrandt: Simplifying and isolating failure-inducing input. IEEE Transactions on Software Engineering
// 28(2), 2002, doi:10.1109/32.988498.
void shrink(exploration::failure& failed, const std::function<void(simulation&)>& program, std::uint64_t most_steps,
            std::uint64_t tries) {
  schedule best = failed.found;
  for (std::size_t parts = 2; !best.choices.empty() && tries != 0;) {
    const std::size_t size = (best.choices.size() + parts - 1) / parts;
    bool has_shrunk = false;
    for (std::size_t from = 0; from < best.choices.size() && tries != 0; from += size, --tries) {
      schedule less{.seed = best.seed, .choices = {}};
      const std::size_t to = std::min(from + size, best.choices.size());
      std::copy_n(best.choices.begin(), from, std::back_inserter(less.choices));
      std::copy(best.choices.begin() + static_cast<std::ptrdiff_t>(to), best.choices.end(),
                std::back_inserter(less.choices));
      run one(program, how_to_follow(less, most_steps));
      if (fails_alike(one, failed.error) && one.taken.choices.size() < best.choices.size()) {
        best = std::move(one.taken);
        failed.error = one.error;
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
  failed.what = detail::text_of(failed.error);
}

const char* name_of(strategy order) noexcept { return order == strategy::uniform ? "uniform" : "pct"; }

}  // namespace

exploration explore(const std::function<void(simulation&)>& program, const exploration_options& options) {
  exploration result;
  std::uint64_t usual_steps = 100;
  while (result.schedules < options.schedules) {
    simulation_options how{
        .seed = options.first_seed + result.schedules, .expected_steps = usual_steps, .most_steps = options.most_steps};
    if (result.schedules % 2 != 0) {
      how.order = strategy::pct;
      how.depth = 2 + static_cast<unsigned>(result.schedules / 2 % 3);
    }
    ++result.schedules;
    run one(program, how);
    usual_steps = std::max<std::uint64_t>(1, one.steps);
    if (one.error != nullptr) {
      result.failed = exploration::failure{.error = one.error,
                                           .what = {},
                                           .seed = how.seed,
                                           .order = how.order,
                                           .found = std::move(one.taken),
                                           .shrunk = {}};
      shrink(*result.failed, program, std::min(options.most_steps, 10 * one.steps + 1000), options.shrinking);
      std::fputs((result.text() + '\n').c_str(), stderr);
      break;
    }
  }
  return result;
}

std::string exploration::text() const {
  if (!failed) {
    return "martlet: " + std::to_string(schedules) + " schedules were tried, and none failed";
  }
  const std::size_t shortest = failed->shrunk.choices.size();
  return "martlet: schedule " + std::to_string(schedules) + " failed (seed " + std::to_string(failed->seed) + ", " +
         name_of(failed->order) + "): " + failed->what +
         "\nTo see it again: martlet::simulation sim(martlet::schedule::parse(\"" + failed->shrunk.text() + "\"));  // " +
         std::to_string(shortest) + (shortest == 1 ? " choice, of " : " choices, of ") +
         std::to_string(failed->found.choices.size()) + " at first";
}

}  // namespace martlet
