#include <martlet/scheduler/explore.hpp>

#include <cstdio>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include <martlet/scheduler/search.hpp>
#include <martlet/tasklet/failure.hpp>

#include "seeded.hpp"

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
  static_cast<detail::seeded&>(*sim.queue()).explore();
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

// Failures of one type are alike.
std::string kind_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return typeid(e).name();
  } catch (...) {
    return "not a std::exception";
  }
}

}  // namespace

exploration explore(const std::function<void(simulation&)>& program, const exploration_options& options) {
  const auto attempt = [&](const simulation_options& how) {
    run one(program, how);
    return detail::attempt{.failure = one.error == nullptr ? std::string() : kind_of(one.error),
                           .error = one.error,
                           .taken = std::move(one.taken),
                           .steps = one.steps};
  };
  detail::finding found = detail::search(attempt, options);
  exploration result{.schedules = found.schedules, .failed = {}};
  if (found.failed) {
    result.failed = exploration::failure{.error = found.failed->error,
                                         .what = detail::text_of(found.failed->error),
                                         .seed = found.failed->seed,
                                         .order = found.failed->order,
                                         .found = std::move(found.failed->found),
                                         .shrunk = std::move(found.failed->shrunk),
                                         .repeats = false};
    const detail::attempt again = attempt({.seed = result.failed->shrunk.seed,
                                           .order = strategy::replay,
                                           .recorded = result.failed->shrunk,
                                           .most_steps = options.most_steps});
    result.failed->repeats = again.failure == kind_of(result.failed->error);
    std::fputs((result.text() + '\n').c_str(), stderr);
  }
  return result;
}

std::string exploration::text() const {
  if (!failed) {
    return "martlet: " + std::to_string(schedules) + " schedules were tried, and none failed";
  }
  const std::size_t shortest = failed->shrunk.choices.size();
  return "martlet: schedule " + std::to_string(schedules) + " failed (seed " + std::to_string(failed->seed) + ", " +
         detail::name_of(failed->order) + "): " + failed->what +
         "\nTo see it again: martlet::simulation sim(martlet::schedule::parse(\"" + failed->shrunk.text() +
         "\"));  // " + std::to_string(shortest) + (shortest == 1 ? " choice, of " : " choices, of ") +
         std::to_string(failed->found.choices.size()) + " at first" +
         (failed->repeats
              ? ""
              : "\nIt did not fail so when it was run once more: what the program does depends on something "
                "else than its schedule, such as what an earlier run has left");
}

}  // namespace martlet
