#include <martlet/scheduler/scheduler.hpp>

#include <cstdlib>
#include <string_view>

#include "migrating.hpp"
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

}  // namespace

scheduler::scheduler(scheduler_options options) {
  if (options.workers < -1 || options.lent_threads < 0 || (options.workers == 0 && options.lent_threads == 0)) {
    throw misuse(
        "scheduler_options: workers is -1 (one per processor) or a count, lent_threads a count, and at least "
        "one thread must be possible; found workers = " +
        std::to_string(options.workers) + ", lent_threads = " + std::to_string(options.lent_threads));
  }
  if (options.spin < std::chrono::nanoseconds::zero() || options.spin > std::chrono::seconds(1)) {
    throw misuse("scheduler_options: spin is between nothing and a second, found " +
                 std::to_string(options.spin.count()) + " ns");
  }
  if (options.migrate_always || asks_to_migrate_always()) {
    queue_ = std::make_unique<detail::migrating>(options);
  } else {
    queue_ = std::make_unique<detail::stealing>(options);
  }
}

scheduler::~scheduler() { queue_->drain(); }

unsigned scheduler::worker_count() const noexcept { return queue_->width(); }

scheduler_statistics scheduler::statistics() const noexcept { return queue_->statistics(); }

void scheduler::run_until(detail::tasklet* who) { queue_->run_until(who); }

void scheduler::refuse_inside(const char* what) {
  if (detail::current_host() != nullptr) {
    throw misuse(std::string(what) +
                 ": this thread runs tasklets, and blocking it could block the one that is waited "
                 "for; await the handle instead");
  }
}

namespace detail {

void enter(run_queue* queue, scope_base* owner, tasklet* who, site where) {
  who->site_ = where;
  host* here = current_host();
  const auto refuse = [who] {
    who->word_.store(tasklet::bits(tag::failed), base::relaxed);  // it never started; its handle destroys it
  };
  if (queue == nullptr) {
    if (here == nullptr) {
      refuse();
      throw misuse("spawn: this thread runs no tasklets; use the spawn of a martlet::scheduler");
    }
    queue = static_cast<run_queue*>(here->executor_);
  }
  if (owner != nullptr) {
    try {
      who->link_ = owner->child_began(*who);
    } catch (...) {
      refuse();
      throw;
    }
  }
  queue->spawn(who, here);
}

}  // namespace detail

}  // namespace martlet
