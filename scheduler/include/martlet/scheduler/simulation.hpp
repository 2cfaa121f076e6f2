#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <martlet/scheduler/schedule.hpp>
#include <martlet/scheduler/scheduler.hpp>
#include <martlet/scheduler/simulation_options.hpp>

namespace martlet {

namespace detail {
class environment;
class seeded;
}  // namespace detail

/// Returns   options that make a scheduler a simulation: `martlet::scheduler pool{martlet::simulated(seed)}`.
scheduler_options simulated(std::uint64_t seed);
scheduler_options simulated(simulation_options how);

/// A scheduler that runs everything on the calling thread, in an order that a seed chooses, in virtual time.
///
/// The same program runs in it as on any scheduler. Each operation on a channel, a lock or a scope is a moment at which
/// another tasklet may go on, and the seed decides: the same seed gives the same run, another one another. Time passes when
/// nobody is ready, and then at once: a day of sleep costs nothing. A program that can go no further, because everybody
/// waits, is told so (`deadlock`).
///
/// ```cpp
/// martlet::simulation sim(42);
/// sim.block_on(transfer_between_accounts());
/// std::cout << sim.elapsed().count() << " ns, schedule " << sim.taken().text();
/// ```
///
/// Tasklets run while the thread waits: in `block_on`, `run_here` and `shutdown`, in `await` of anything that takes time (a
/// thread that polls lets nobody run), and in the destructor. `blocking` calls its function in place; what that waits for may
/// run meanwhile, but not an earlier function given to `blocking`, which goes on after it. `martlet::deadline` and the like
/// count virtual time; what asks `std::chrono` asks the real clock, and makes a program that depends on it differ from run to
/// run, as do addresses, other threads and input from outside.
///
/// Threads   the one that made it, which has one at a time; from others, and for guests, `misuse`, as for sockets without a
///           `net::simulated_network`. A thread that makes a simulated tasklet ready stops the program.
/// Cost      about 100 ns a turn, and 40 us to make one (Zen 4).
class simulation : public scheduler {
 public:
  explicit simulation(std::uint64_t seed) : simulation(simulation_options{.seed = seed}) {}

  /// Runs a recorded schedule once more. In a deadlock, and after too many turns, the tasklets are cancelled and end before
  /// the program hears of it, as in `explore`: what it does after that is not repeated.
  explicit simulation(const schedule& recorded)
      : simulation(simulation_options{.order = strategy::replay, .recorded = recorded}) {}

  /// Takes     how it chooses; `rest` for what a simulation has of other options (on_unhandled, most_tasklets).
  /// Throws    misuse for options that cannot be, on a thread that runs tasklets, and for a second one on a thread.
  explicit simulation(const simulation_options& how, scheduler_options rest = {});

  /// Returns   a number that tells runs apart: of each spawn, turn, wait, wake-up, end and jump of the clock so far, by the
  ///           numbers of the tasklets. Equal for equal runs, in every process.
  std::uint64_t hash() const noexcept;

  /// Returns   how many turns tasklets have had.
  std::uint64_t steps() const noexcept;

  /// Returns   what was chosen so far: give it to another simulation to run the same.
  const schedule& taken() const noexcept;

  /// Returns   how far its clock has moved.
  std::chrono::nanoseconds elapsed() const noexcept;

  /// Returns   a line for each tasklet: its number and name, where it was spawned, what it waits for and where.
  std::string report();

  /// Gives it what happens around its tasklets, in the place of what it had: for `net::simulated_network`.
  ///
  /// Throws    misuse on another thread.
  void surround(std::shared_ptr<detail::environment> with);

 private:
  detail::seeded& seeded_;
};

}  // namespace martlet
