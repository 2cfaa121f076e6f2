#pragma once

#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <martlet/base/signal_stack.hpp>
#include <martlet/base/virtual_time.hpp>
#include <martlet/scheduler/environment.hpp>
#include <martlet/scheduler/options.hpp>
#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/failure.hpp>

#include "ready_set.hpp"
#include "run_queue.hpp"
#include "side_pool.hpp"
#include "turn_order.hpp"
#include "worker.hpp"

namespace martlet::detail {

/// The run queue of a simulation: all tasklets take turns on the thread that made it, and a seed says who is next.
///
/// Whatever succeeds at once makes its tasklet go behind the others first, and no hand-off passes the queue by: so every
/// operation is a crossroads. Time is virtual. It moves a little with each turn, and to the next timer when nobody is ready.
/// The thread runs tasklets while it waits for something (`virtual_time::sleep`), whatever that is; when nobody is ready and no timer is armed, it
/// is told of the deadlock.
class seeded final : public run_queue, private failure_listener, private base::virtual_time {
 public:
  /// Throws    misuse for options that cannot be.
  explicit seeded(const scheduler_options& options);
  ~seeded() override;

  // ---- what a simulation tells

  std::uint64_t hash() const noexcept { return hash_; }
  std::uint64_t steps() const noexcept { return step_; }
  const schedule& taken() const noexcept { return taken_; }
  std::chrono::nanoseconds elapsed() const noexcept { return std::chrono::nanoseconds(clock_ - beginning_); }

  /// Returns   a line for each tasklet: its number, name and place of spawn, and what it waits for, where.
  std::string report();

  /// Takes     what happens around the tasklets, in the place of what there was.
  void surround(std::shared_ptr<environment> with);

  /// Cancels all tasklets and runs them until they have ended, in turn where the order that was asked for leads no further.
  ///
  /// Returns   false when they do not end.
  bool end_all() noexcept;

  /// Says that it is one of many tries: when its thread can wait no longer, all tasklets end before the program hears of it.
  /// They use what the program has made, and leaves behind when it hears. So it is for what runs a recorded schedule once more.
  void explore() noexcept { ends_before_telling_ = true; }

  // ---- a run queue

  void ready(tasklet* who, tasklet* root, host* here, turn when) noexcept override;
  tasklet* rotate(tasklet*, tasklet*, host&) noexcept override { return nullptr; }
  bool is_overloaded() noexcept override { return false; }
  void begin_visit() noexcept override {}
  void end_visit() noexcept override {}
  void spawn(tasklet* who, host& here) override;
  void spawn_from_outside(tasklet* who) override { spawn(who, worker_); }
  void admit() const override;
  void require_own_process(const char* what) const override;
  bool is_of_own_process() const noexcept override;
  void run_until(tasklet* who) override;
  std::unique_ptr<guest_seat> seat_guest() override;
  void stop() override;
  shutdown_report shutdown(base::instant deadline, std::chrono::nanoseconds grace) override;
  void drain() noexcept override;
  host& some_host() noexcept override { return worker_; }
  void look_at_timers_of(host&) noexcept override {}
  std::uint64_t turns_of(const host&) const noexcept override { return step_; }
  void look_after(host&) noexcept override {}  // its time stands still meanwhile
  side_pool& side() noexcept override { return side_; }
  unsigned width() const noexcept override { return 1; }
  scheduler_statistics statistics() const noexcept override;
  bool owns(const host* there) const noexcept override { return there == &worker_; }

 private:
  enum class phase : std::uint8_t { open, closed, cancelling, over };
  enum class outcome : std::uint8_t { done, late, stuck };
  enum class operation : std::uint8_t { spawned, woken, turn, waits, ended, time };

  class outermost;
  class inside;

  static constexpr unsigned longest_run = 100;  // of turns in a row in the plain order

  // ---- virtual_time

  base::instant now() const noexcept override { return clock_; }
  bool sleep(const base::futex_word& word, std::uint32_t expected, base::instant deadline) noexcept override;
  [[noreturn]] void refuse_endless_sleep() override;

  template <class Done>
  outcome run(Done done, base::instant deadline) noexcept;
  void take_turn();
  base::instant next_event() const noexcept;
  void let_happen();
  void resume(tasklet* who, tasklet* root) noexcept;
  void settle(tasklet* root, std::uint64_t number) noexcept;
  simulated_tasklet& choose();
  simulated_tasklet& enrol(tasklet* root);
  void strike_off(simulated_tasklet& one) noexcept;
  simulated_tasklet* find(tasklet* root) noexcept;
  void note(operation what, std::uint64_t value) noexcept;
  void cancel_all() noexcept;
  bool run_to_the_end(base::instant deadline) noexcept;
  tasklet_label label_of(tasklet& root) const;
  std::string state_of(simulated_tasklet& one, const std::string& place,
                       std::map<const wait_core*, std::size_t>& cores);

  const scheduler_options options_;
  const simulation_options& how_;  // in these
  const void* const thread_;
  const std::uint32_t generation_;
  const std::uint64_t seed_;
  const base::instant beginning_;        // a plain thread's selects choose by the time, and so by the seed
  base::instant clock_ = beginning_;     // before what looks at the time
  base::atomic<std::uint32_t> idle_{0};  // nobody ever is
  worker worker_;
  carrier carrier_;
  std::optional<base::signal_stack> for_faults_;
  side_pool side_;
  std::shared_ptr<environment> around_;  // null: nothing happens by itself, but for timers
  std::unique_ptr<outermost> outermost_;
  std::unique_ptr<turn_order> order_;

  phase phase_ = phase::open;
  bool has_started_ = false;  // a worker's start was told
  std::uint64_t step_ = 0;
  std::uint64_t end_step_;
  std::uint64_t hash_ = 0xcbf29ce484222325U;
  schedule taken_;
  std::exception_ptr why_stuck_;  // of the last sleep that would have been endless
  bool ends_before_telling_ = how_.order == strategy::replay || how_.order == strategy::follow;
  std::exception_ptr broken_;  // why nothing is run any more: the schedule does not fit, or has no end

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, simulated_tasklet> tasklets_;  // by number
  std::unordered_map<const tasklet*, simulated_tasklet*> by_record_;
  ready_set ready_;
  simulated_tasklet* last_ = nullptr;  // who had the last turn
  unsigned run_length_ = 0;            // turns that it has had in a row
  std::uint64_t spawned_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace martlet::detail
