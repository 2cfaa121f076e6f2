#include "seeded.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/check.hpp>
#include <martlet/base/current.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/base/symbol.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/overflow_report.hpp>
#include <martlet/tasklet/this_tasklet.hpp>

namespace martlet::detail {
namespace {

constexpr base::instant earliest = 1'000'000'000'000;  // any, but the same in every run

std::uint64_t seed_of(const simulation_options& how) noexcept {
  const bool is_recorded = how.order == strategy::replay || how.order == strategy::follow;
  return is_recorded ? how.recorded.seed : how.seed;
}

}  // namespace

class seeded::outermost final : public scope_base {
 public:
  explicit outermost(seeded& pool) noexcept : pool_(pool) {}

  std::uintptr_t child_began(tasklet&) noexcept override { return reinterpret_cast<std::uintptr_t>(this); }

  bool keeps_errors() const noexcept override { return false; }

  void child_failed(std::exception_ptr failure, bool detached, site where) noexcept override {
    if (detached) {
      pool_.hear(failure, where);
    }
  }

  void child_ended(host&, std::uintptr_t) noexcept override {
    pool_.tasklets().leave();
    ++pool_.ended_;
  }

 private:
  seeded& pool_;
};

// The thread is a worker's for as long as this lives.
class seeded::inside {
 public:
  explicit inside(seeded& pool) noexcept : worker_(pool.worker_) {
    pool.carrier_.note_control_bits();  // the program may have changed them
    base::set_current(static_cast<host*>(&worker_));
    if (!std::exchange(pool.has_started_, true) && pool.options_.on_worker_start) {
      pool.options_.on_worker_start();
    }
  }
  inside(const inside&) = delete;
  inside& operator=(const inside&) = delete;
  ~inside() {
    if (worker_.detach_ != nullptr) {
      worker_.detach_(worker_);
    }
    worker_.current_.store(nullptr, base::relaxed);
    base::set_current(nullptr);
  }

 private:
  worker& worker_;
};

seeded::seeded(const scheduler_options& options)
    : run_queue(options.most_tasklets),
      failure_listener(options.on_unhandled),
      options_(options),
      how_(*options_.simulation),
      thread_(base::this_thread()),
      generation_(base::process_generation()),
      seed_(seed_of(how_)),
      beginning_(earliest + static_cast<base::instant>(seed_ * 0x9e3779b97f4a7c15U >> 44)),
      worker_(*this, idle_, true, 0, false),
      side_(side_pool::inline_calls),
      outermost_(std::make_unique<outermost>(*this)),
      order_(make_turn_order(how_)),
      end_step_(how_.most_steps) {
  base::prepare_asymmetric_fences();
  keep_stacks_over_forks();
  if (options.report_overflow) {
    for_faults_.emplace();
    report_overflows();
  }
  worker_.reports_overflow_ = options.report_overflow;
  worker_.carrier_ = &carrier_;
  worker_.random_ = static_cast<std::uint32_t>(seed_ * 0x9e3779b97f4a7c15U >> 32) | 1;  // never 0
  taken_.seed = seed_;
  begin_listening();
}

seeded::~seeded() {
  drain();
  end_listening();
}

// ---- who is there

simulated_tasklet& seeded::enrol(tasklet* root) {
  const std::uint64_t number = ++last_number_;
  simulated_tasklet& one =
      tasklets_.try_emplace(number, simulated_tasklet{.number = number, .root = root}).first->second;
  by_record_[root] = &one;
  ready_.reserve(tasklets_.size());
  order_->begin(one);
  return one;
}

void seeded::strike_off(simulated_tasklet& one) noexcept {
  note(operation::ended, one.number);
  if (last_ == &one) {
    last_ = nullptr;
  }
  by_record_.erase(one.root);
  tasklets_.erase(one.number);
}

simulated_tasklet* seeded::find(tasklet* root) noexcept {
  const auto place = by_record_.find(root);
  return place == by_record_.end() ? nullptr : place->second;
}

// What happened, in numbers that are the same in every process.
// Source: FNV-1a over words in place of bytes; Fowler, Noll, Vo, draft-eastlake-fnv.
void seeded::note(operation what, std::uint64_t value) noexcept {
  constexpr std::uint64_t prime = 0x100000001b3U;
  hash_ = (hash_ ^ static_cast<std::uint64_t>(what)) * prime;
  hash_ = (hash_ ^ value) * prime;
  hash_ ^= hash_ >> 32;  // else the high bits of a word never reach the low ones
}

// ---- entering work

void seeded::require_own_process(const char* what) const {
  if (!is_of_own_process()) {
    throw misuse(std::string(what) +
                 ": this simulation was made by the parent of this process; make a new one in the child of a fork");
  }
  if (base::this_thread() != thread_) {
    throw misuse(
        std::string(what) +
        ": a simulation runs on the thread that made it, and on no other: do this on that thread, or in one of "
        "its tasklets");
  }
}

bool seeded::is_of_own_process() const noexcept { return generation_ == base::process_generation(); }

void seeded::admit() const {
  require_own_process("spawn");
  if (phase_ != phase::open) {
    throw misuse(
        "spawn: this scheduler was stopped (by stop, shutdown or its end) and takes no more work from outside; spawn "
        "before that, or make another scheduler");
  }
}

void seeded::spawn(tasklet* who, host&) {
  if (simulated_tasklet* former = find(who); former != nullptr) {
    strike_off(*former);  // it has just ended, and its memory is used again
  }
  const simulated_tasklet* spawner = find(worker_.current_.load(base::relaxed));  // null: the program, outside
  simulated_tasklet& one = enrol(who);
  if (who->link_ == 0) {
    who->link_ = reinterpret_cast<std::uintptr_t>(static_cast<scope_base*>(outermost_.get()));
    ++spawned_;
  }
  who->host_.store(&worker_, base::relaxed);
  who->word_.store(tasklet::bits(tag::runnable), base::relaxed);
  if (phase_ > phase::closed) {
    who->cancel_.fetch_or(cancel::from_the_start, base::relaxed);
  }
  note(operation::spawned, spawner == nullptr ? 0 : spawner->number);
  one.leaf = who;
  ready_.add(one);
}

// What is not enrolled is no tasklet of the program's: a scope's deadline that has come.
void seeded::ready(tasklet* who, tasklet* root, host*, turn) noexcept {
  if (base::this_thread() != thread_) {
    base::fatal(
        "a thread, or a tasklet of another scheduler, made a simulated tasklet go on: what takes part in a simulation runs "
        "in it, or on the thread that made it");
  }
  simulated_tasklet* one = find(root);
  if (one == nullptr) {
    one = &enrol(root);
  }
  note(operation::woken, one->number);
  one->leaf = who;
  ready_.add(*one);
}

// ---- running

template <class Done>
seeded::outcome seeded::run(Done done, base::instant deadline) noexcept {
  const inside here(*this);
  try {
    while (!done()) {
      if (broken_ != nullptr) {
        why_stuck_ = broken_;
        return outcome::stuck;
      }
      if (clock_ >= deadline && deadline != base::never) {
        return outcome::late;
      }
      if (!ready_.empty()) {
        take_turn();
        continue;
      }
      const base::instant next = std::min(next_event(), deadline);
      if (next == base::never) {
        why_stuck_ = std::make_exception_ptr(
            deadlock("deadlock: nothing can run, no timer is armed, and this is what waits (seed " +
                     std::to_string(seed_) + ", step " + std::to_string(step_) + "):\n" + report()));
        return outcome::stuck;
      }
      note(operation::time, static_cast<std::uint64_t>(next - clock_));
      clock_ = std::max(clock_, next);
      let_happen();
    }
    return outcome::done;
  } catch (...) {
    why_stuck_ = broken_ = std::current_exception();
    return outcome::stuck;
  }
}

bool seeded::sleep(const base::futex_word& word, std::uint32_t expected, base::instant deadline) noexcept {
  if (current_host() != nullptr) {
    base::fatal(
        "in a simulation a tasklet held up the thread that all of them share, by waiting as a thread does (for another "
        "scheduler, perhaps): wait with co_await, with martlet::await in a fiber, or inside of blocking");
  }
  return run([&] { return word.load(base::acquire) != expected; }, deadline) == outcome::done;
}

void seeded::refuse_endless_sleep() {
  const std::exception_ptr why = why_stuck_;
  if (ends_before_telling_) {
    const std::exception_ptr broken = broken_;
    const std::uint64_t hash = hash_;
    const std::uint64_t step = step_;
    const phase before = phase_;
    const std::size_t choices = taken_.choices.size();
    end_all();
    taken_.choices.resize(choices);  // the failure came first
    hash_ = hash;
    step_ = step;
    phase_ = before;
    broken_ = broken;
  }
  std::rethrow_exception(why);
}

simulated_tasklet& seeded::choose() {
  simulated_tasklet* plain = &ready_.oldest();
  if (last_ != nullptr && last_->is_ready() && run_length_ < longest_run) {
    plain = last_;
  }
  simulated_tasklet& chosen = order_->choose({.ready = ready_, .last = last_, .plain = plain, .step = step_});
  if (&chosen != plain) {
    taken_.choices.push_back({.step = step_, .tasklet = chosen.number});
  }
  run_length_ = &chosen == last_ ? run_length_ + 1 : 1;
  last_ = &chosen;
  ++step_;
  return chosen;
}

base::instant seeded::next_event() const noexcept {
  return around_ == nullptr ? worker_.timers_->next() : std::min(worker_.timers_->next(), around_->next());
}

void seeded::let_happen() {
  worker_.timers_->fire(clock_, &worker_);
  if (around_ != nullptr && around_->next() <= clock_) {
    around_->move_on();
  }
}

void seeded::surround(std::shared_ptr<environment> with) {
  require_own_process("surround");
  around_ = std::move(with);
}

void seeded::take_turn() {
  if (step_ == end_step_) {
    throw deadlock("the run has no end: it took " + std::to_string(step_) +
                   " turns (simulation_options::most_steps), and this is what goes on:\n" + report());
  }
  clock_ = base::after(clock_, how_.turn);
  if (next_event() <= clock_) {
    let_happen();
  }
  simulated_tasklet& one = choose();
  ready_.take(one);
  tasklet* const root = one.root;
  tasklet* const leaf = std::exchange(one.leaf, nullptr);
  const std::uint64_t number = one.number;
  note(operation::turn, number);
  if (root->kind_ == kind::thread) {
    strike_off(one);  // this is all that it does
    resume(leaf, root);
  } else {
    resume(leaf, root);
    settle(root, number);
  }
}

void seeded::resume(tasklet* who, tasklet* root) noexcept {
  if (worker_.detach_ != nullptr && root->kind_ != kind::python) {
    worker_.detach_(worker_);
  }
  root->host_.store(&worker_, base::relaxed);
  worker_.current_.store(root, base::relaxed);
  worker_.budget_ = 0;  // what succeeds at once goes behind the others
  who->resume();
  while (tasklet* next = std::exchange(worker_.transfer_, nullptr)) {
    next->resume();
  }
  worker_.current_.store(nullptr, base::relaxed);
  if (tasklet* next = std::exchange(worker_.handoff_, nullptr); next != nullptr) {
    ready(next, next->root(), &worker_, turn::next);
  }
}

// Sees whether the tasklet that had the turn has ended, and what it waits for. Its record is always readable (tasklet.hpp, I3),
// and somebody else's by now if it has ended.
void seeded::settle(tasklet* root, std::uint64_t number) noexcept {
  simulated_tasklet* one = find(root);
  if (one == nullptr || one->number != number) {
    return;
  }
  const auto word = root->word_.load(base::relaxed);
  switch (tasklet::tag_of(word)) {
    case tag::runnable: break;
    case tag::parked:
      note(operation::waits, static_cast<std::uint64_t>(reinterpret_cast<const wait_core*>(word & ~tag_mask)->kind_));
      break;
    case tag::select: note(operation::waits, UINT64_MAX); break;
    default: strike_off(*one);
  }
}

void seeded::run_until(tasklet* who) {
  require_own_process("run_here");
  if (current_host() != nullptr) {
    throw misuse("run_here: this thread runs tasklets already; await the handle instead");
  }
  if (run([who] { return has_ended(*who); }, base::never) == outcome::stuck) {
    refuse_endless_sleep();
  }
}

std::unique_ptr<guest_seat> seeded::seat_guest() {
  throw misuse("guest: a simulation has its own time, which no event loop keeps; use a scheduler that is none");
}

// ---- the end

void seeded::cancel_all() noexcept {
  std::vector<tasklet*> all;
  for (const auto& [number, one] : tasklets_) {
    if (one.root->kind_ != kind::thread) {
      all.push_back(one.root);
    }
  }
  for (tasklet* one : all) {
    request_cancel(one);
  }
}

void seeded::stop() {
  require_own_process("stop");
  if (phase_ < phase::cancelling) {
    phase_ = phase::cancelling;
    cancel_all();
  }
}

// Returns   false when the time is over, or nothing can run.
bool seeded::run_to_the_end(base::instant deadline) noexcept {
  return run([this] { return tasklets_.empty(); }, deadline) == outcome::done;
}

shutdown_report seeded::shutdown(base::instant deadline, std::chrono::nanoseconds grace) {
  require_own_process("shutdown");
  if (current_host() != nullptr) {
    throw misuse(
        "shutdown: this thread runs tasklets, and would wait for itself; call stop() here, and shutdown on a thread that "
        "runs none");
  }
  phase_ = std::max(phase_, phase::closed);
  if (!run_to_the_end(deadline)) {
    phase_ = phase::cancelling;
    cancel_all();
    if (!run_to_the_end(base::after(clock_, grace))) {
      shutdown_report left;
      for (auto& [number, one] : tasklets_) {
        left.survivors.push_back({.spawned_at = one.root->site_,
                                  .name = name_of(*one.root),
                                  .state = status_of(*one.root)});
      }
      return left;
    }
  }
  drain();
  return {};
}

bool seeded::end_all() noexcept {
  phase_ = phase::cancelling;
  cancel_all();
  if (broken_ == nullptr) {
    const bool have_ended = run_to_the_end(base::never);
    if (broken_ == nullptr) {
      return have_ended;
    }
  }
  broken_ = nullptr;  // the way that was asked for leads no further
  order_ = make_turn_order({.order = strategy::round_robin});
  end_step_ = step_ + std::min(how_.most_steps, UINT64_MAX - step_);
  return run_to_the_end(base::never);
}

void seeded::drain() noexcept {
  if (phase_ == phase::over) {
    return;
  }
  if (base::this_thread() != thread_ || current_host() != nullptr) {
    base::fatal(
        "a simulation was destroyed on another thread than the one that made it, or inside a tasklet: destroy it on its "
        "own thread, where that runs no tasklets");
  }
  if (!end_all()) {
    base::fatal("a simulation was destroyed, and its tasklets do not end though they are cancelled; ",
                text_of(why_stuck_), ends_before_telling_ ? "its schedule was " + taken_.text() : std::string());
  }
  if (has_started_ && options_.on_worker_stop) {
    const inside here(*this);
    options_.on_worker_stop();
  }
  phase_ = phase::over;
  side_.stop();
}

scheduler_statistics seeded::statistics() const noexcept {
  scheduler_statistics sum;
  sum.spawned = spawned_;
  sum.ended = ended_;
  sum.resumed = step_;
  return sum;
}

// ---- what is told

namespace {

const char* name_of_kind(kind what) noexcept {
  switch (what) {
    case kind::barrier: return "barrier";
    case kind::blocking: return "call of blocking";
    case kind::channel: return "channel";
    case kind::condition: return "condition";
    case kind::event: return "event";
    case kind::mutex: return "mutex";
    case kind::once: return "once";
    case kind::scope: return "scope";
    case kind::semaphore: return "semaphore";
    case kind::shared_mutex: return "shared_mutex";
    case kind::socket: return "socket";
    case kind::timer: return "timer";
    case kind::wait_group: return "wait_group";
    default: return "wait";
  }
}

}  // namespace

tasklet_label seeded::label_of(tasklet& root) const {
  if (root.kind_ == kind::python && how_.label) {
    return how_.label(root);
  }
  return {.name = name_of(root), .place = base::symbol_at(*static_cast<void**>(root.leaf()->frame()))};
}

// Cores are told apart by numbers, in the order in which they are met.
std::string seeded::state_of(simulated_tasklet& one, const std::string& place,
                             std::map<const wait_core*, std::size_t>& cores) {
  if (one.is_ready()) {
    return "is ready";
  }
  const auto word = one.root->word_.load(base::relaxed);
  std::string what;
  switch (tasklet::tag_of(word)) {
    case tag::parked: {
      auto* core = reinterpret_cast<wait_core*>(word & ~tag_mask);
      if (core->kind_ <= kind::python) {
        const simulated_tasklet* joined = find(static_cast<tasklet*>(core));
        what = joined == nullptr ? "waits for the end of a tasklet"
                                 : "waits for the end of tasklet " + std::to_string(joined->number);
      } else {
        const std::size_t number = cores.try_emplace(core, cores.size() + 1).first->second;
        what = "waits for " + std::string(name_of_kind(core->kind_)) + " #" + std::to_string(number);
      }
      break;
    }
    case tag::select:
      what = "waits for one of several (a select, a wait with a limit, or the end of a scope in Python)";
      break;
    default: return word == tasklet::bits(tag::runnable) ? "runs" : "is in a function given to blocking";
  }
  return what + ", in " + place;
}

std::string seeded::report() {
  std::string lines;
  std::map<const wait_core*, std::size_t> cores;
  for (auto& [number, one] : tasklets_) {
    if (one.root->kind_ == kind::thread) {
      continue;
    }
    const tasklet_label label = label_of(*one.root);
    lines += "  tasklet " + std::to_string(number) + (label.name.empty() ? "" : " \"" + label.name + '"') +
             ", spawned at " + one.root->site_.text() + ", " + state_of(one, label.place, cores) + '\n';
  }
  return lines;
}

}  // namespace martlet::detail
