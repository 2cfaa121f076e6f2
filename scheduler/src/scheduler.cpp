#include <martlet/scheduler/scheduler.hpp>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include <martlet/base/processors.hpp>
#include <martlet/scheduler/held_worker.hpp>

#include "migrating.hpp"
#include "seeded.hpp"
#include "stealing.hpp"

namespace martlet {
namespace {

bool asks_to_migrate_always() {
  const char* said = std::getenv("MARTLET_MIGRATE");
  if (said == nullptr || *said == '\0') {
    return false;
  }
  if (std::string_view(said) != "always") {
    throw misuse("MARTLET_MIGRATE: expected \"always\" or nothing, found \"" + std::string(said) + '"');
  }
  return true;
}

std::unique_ptr<detail::run_queue> make_simulation(const scheduler_options& options) {
  if (options.simulation->turn <= std::chrono::nanoseconds::zero()) {
    throw misuse("simulation_options: turn is a time of more than nothing, found " +
                 std::to_string(options.simulation->turn.count()) + " ns");
  }
  if (options.simulation->most_steps == 0) {
    throw misuse("simulation_options: most_steps is a count of at least 1, found 0");
  }
  if (detail::current_host() != nullptr || base::virtual_time::here() != nullptr) {
    throw misuse(detail::current_host() != nullptr
                     ? "simulation: this thread runs tasklets; make a simulation on a plain thread"
                     : "simulation: this thread has one already, and one time only; destroy that one first");
  }
  return std::make_unique<detail::seeded>(options);
}

}  // namespace

scheduler::scheduler(scheduler_options options) {
  if (options.simulation) {
    queue_ = make_simulation(options);
    return;
  }
  constexpr int most = scheduler_options::most_threads;
  if (options.workers < -1 || options.workers > most || options.lent_threads < 0 || options.lent_threads > most ||
      (options.workers == 0 && options.lent_threads == 0)) {
    throw misuse(
        "scheduler_options: workers is -1 (one per processor) or a count, lent_threads a count, neither more than 4096, and "
        "at least one thread must be possible; found workers = " +
        std::to_string(options.workers) + ", lent_threads = " + std::to_string(options.lent_threads));
  }
  if (options.spin < std::chrono::nanoseconds::zero() || options.spin > std::chrono::seconds(1)) {
    throw misuse("scheduler_options: spin is between nothing and a second, found " +
                 std::to_string(options.spin.count()) + " ns");
  }
  if (options.longest_queue_wait < std::chrono::nanoseconds::zero()) {
    throw misuse("scheduler_options: longest_queue_wait is a time, or 0 for none; found " +
                 std::to_string(options.longest_queue_wait.count()) + " ns");
  }
  if (options.blocking_threads < 1 || options.blocking_idle < std::chrono::nanoseconds::zero()) {
    throw misuse(
        "scheduler_options: blocking_threads is a count of at least 1 and blocking_idle no negative time; found "
        "blocking_threads = " +
        std::to_string(options.blocking_threads) +
        ", blocking_idle = " + std::to_string(options.blocking_idle.count()) + " ns");
  }
  if (options.workers < 0) {
    const unsigned asked = detail::workers_from_environment();
    options.workers = static_cast<int>(asked != 0 ? asked : base::usable_processors());
  }
  std::unique_ptr<detail::stealing> threads;
  if (options.migrate_always || asks_to_migrate_always()) {
    threads = std::make_unique<detail::migrating>(options);
  } else {
    threads = std::make_unique<detail::stealing>(options);
  }
  threads->start();
  queue_ = std::move(threads);
}

// In a child of fork there is nothing to join, and what it owns may be referred to by tasklets that stay as they are.
scheduler::~scheduler() {
  if (queue_->is_of_own_process()) {
    queue_->drain();
  } else {
    static_cast<void>(queue_.release());
  }
}

void scheduler::stop() { queue_->stop(); }

shutdown_report scheduler::shutdown(deadline drain_until, std::chrono::nanoseconds grace) {
  return queue_->shutdown(drain_until.at(), grace);
}

unsigned scheduler::worker_count() const noexcept { return queue_->width(); }

scheduler_statistics scheduler::statistics() const noexcept { return queue_->statistics(); }

void scheduler::run_until(detail::tasklet* who) { queue_->run_until(who); }

void scheduler::require_plain_thread(const char* what) const {
  queue_->require_own_process(what);
  if (detail::current_host() != nullptr) {
    throw misuse(std::string(what) +
                 ": this thread runs tasklets, and blocking it could block the one that is waited "
                 "for; await the handle instead");
  }
}

namespace detail {

// Read each time: a program may change its environment between two schedulers.
unsigned workers_from_environment() {
  constexpr unsigned most = scheduler_options::most_threads;
  const char* asked = std::getenv("MARTLET_WORKERS");
  const std::string_view text = asked == nullptr ? "" : asked;
  if (text.empty()) {
    return 0;
  }
  unsigned count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most) {
    throw misuse("MARTLET_WORKERS, in the environment, is a count of workers from 1 to " + std::to_string(most) +
                 "; found \"" + asked + "\": change it, or unset it for one worker per processor");
  }
  return count;
}

namespace {

bool comes_from_outside(const run_queue* queue) noexcept {
  const host* here = current_host();
  return queue != nullptr && (here == nullptr || here->executor_ != queue);
}

// The scheduler that a spawn means; of one who comes from outside the visit has begun. Throws misuse when there is none, or when
// it accepts nothing from outside any more.
run_queue& queue_for_spawn(run_queue* queue) {
  if (queue == nullptr) {
    host* here = current_host();
    if (here == nullptr) {
      throw misuse("spawn: this thread runs no tasklets; use the spawn of a martlet::scheduler");
    }
    return *static_cast<run_queue*>(here->executor_);
  }
  if (comes_from_outside(queue)) [[unlikely]] {
    queue->begin_visit();
    try {
      queue->admit();
    } catch (...) {
      queue->end_visit();
      throw;
    }
  }
  return *queue;
}

}  // namespace

run_queue* try_to_admit(run_queue* queue) {
  run_queue& into = queue_for_spawn(queue);
  if (!into.is_overloaded() && into.tasklets().enter()) {
    return &into;
  }
  end_admission(into);
  return nullptr;
}

void give_back_place(run_queue& queue) noexcept { queue.tasklets().leave(); }

void end_admission(run_queue& queue) noexcept {
  if (comes_from_outside(&queue)) {
    queue.end_visit();
  }
}

namespace {

// A tasklet that never started: its handle destroys it.
void give_up(tasklet& who) noexcept { who.word_.store(tasklet::bits(tag::failed), base::relaxed); }

[[noreturn, gnu::noinline]] void refuse_place(tasklet& who) {
  give_up(who);
  throw overloaded();
}

[[gnu::always_inline]] inline void join_scope(run_queue& queue, scope_base& owner, tasklet& who) {
  try {
    who.link_ = owner.child_began(who);
  } catch (...) {
    queue.tasklets().leave();
    give_up(who);
    throw;
  }
}

[[gnu::noinline]] void enter_from_outside(run_queue* queue, scope_base* owner, tasklet* who, site where) {
  run_queue* into = nullptr;
  try {
    into = &queue_for_spawn(queue);
  } catch (...) {
    give_up(*who);
    throw;
  }
  try {
    if (!into->tasklets().enter()) {
      refuse_place(*who);
    }
    enter_admitted(*into, owner, who, where);
  } catch (...) {
    into->end_visit();
    throw;
  }
  into->end_visit();
}

}  // namespace

// The common way, from a tasklet into its own scheduler, ends in a jump.
void enter(run_queue* queue, scope_base* owner, tasklet* who, site where) {
  who->begin_as_root(where);
  host* here = current_host();
  if (here == nullptr || (queue != nullptr && here->executor_ != queue)) [[unlikely]] {
    enter_from_outside(queue, owner, who, where);
    return;
  }
  auto& into = *static_cast<run_queue*>(here->executor_);
  if (!into.tasklets().enter()) [[unlikely]] {
    refuse_place(*who);
  }
  if (owner != nullptr) {
    join_scope(into, *owner, *who);
  }
  into.spawn(who, *here);
}

void enter_admitted(run_queue& queue, scope_base* owner, tasklet* who, site where) {
  who->begin_as_root(where);
  if (owner != nullptr) {
    join_scope(queue, *owner, *who);
  }
  if (comes_from_outside(&queue)) {
    queue.spawn_from_outside(who);
  } else {
    queue.spawn(who, *current_host());
  }
}

std::uint64_t turns_of(const host& there) noexcept { return static_cast<run_queue*>(there.executor_)->turns_of(there); }

void look_after(host& held) noexcept { static_cast<run_queue*>(held.executor_)->look_after(held); }

}  // namespace detail

}  // namespace martlet
