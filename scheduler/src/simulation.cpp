#include <martlet/scheduler/simulation.hpp>

#include <utility>

#include "seeded.hpp"

namespace martlet {
namespace {

scheduler_options with(scheduler_options rest, const simulation_options& how) {
  rest.simulation = how;
  return rest;
}

}  // namespace

scheduler_options simulated(std::uint64_t seed) { return simulated(simulation_options{.seed = seed}); }
scheduler_options simulated(simulation_options how) { return with({}, how); }

simulation::simulation(const simulation_options& how, scheduler_options rest)
    : scheduler(with(std::move(rest), how)), seeded_(static_cast<detail::seeded&>(*queue())) {}

std::uint64_t simulation::hash() const noexcept { return seeded_.hash(); }
std::uint64_t simulation::steps() const noexcept { return seeded_.steps(); }
const schedule& simulation::taken() const noexcept { return seeded_.taken(); }
std::chrono::nanoseconds simulation::elapsed() const noexcept { return seeded_.elapsed(); }
std::string simulation::report() { return seeded_.report(); }
void simulation::surround(std::shared_ptr<detail::environment> with) { seeded_.surround(std::move(with)); }

}  // namespace martlet
