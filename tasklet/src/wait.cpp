#include <martlet/tasklet/wait.hpp>

#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>

#include <martlet/base/check.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/extras.hpp>
#include <martlet/tasklet/failure.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/step.hpp>

namespace martlet::detail {
namespace {

// What "runs" threads that wait: making one ready is resuming its frame, which wakes the thread.
class threads final : public executor {
 public:
  void ready(tasklet* who, tasklet*, host*, turn) noexcept override { who->resume(); }
  tasklet* rotate(tasklet*, tasklet*, host&) noexcept override { return nullptr; }
};

constinit threads all_threads;

host& host_of_threads() noexcept {
  alignas(host) static std::byte memory[sizeof(host)];
  static host& one = *new (memory) host(&all_threads);  // never destroyed: a thread may wait while the process ends
  return one;
}

void wake_thread(void* frame) {
  auto* self = static_cast<thread_waiter*>(frame);
  self->flag_.store(1, base::release);  // [thread.wake]; `self` may be gone from here on
  base::futex_wake(self->flag_);        // a wake of a dead address wakes nobody
}

// Who waited for a tasklet's end; nobody did when there is no leaf.
struct joiner {
  tasklet* leaf = nullptr;
  tasklet* root = nullptr;
};

// The joiner of what has just ended here goes on at once, on this worker.
inline void hand_off(joiner to, host& here) noexcept {
  if (to.leaf == nullptr) {
    return;
  }
  executor* home = to.root->at()->executor_;
  if (here.handoff_ == nullptr && !to.root->is_pinned_ && home == here.executor_) [[likely]] {
    here.handoff_ = to.leaf;
  } else {
    home->ready(to.leaf, to.root, &here, turn::next);
  }
}

// From here on no canceller holds it. Under its lock.
[[gnu::always_inline]] inline void leave_place(tasklet& who, std::uintptr_t link) noexcept {
  if (membership::is_in(link)) {
    membership::of(link).leave(who);  // before the frame may go: a canceller finds it by its place
  }
}

// From here on whoever holds the handle may destroy the frame; only the lock, which outlives it (I3), is touched.
[[gnu::always_inline]] inline joiner end_as(tasklet& who, tag how) noexcept {
  joiner waited;
  if (auto* node = static_cast<wait_node*>(who.joiner_); node != nullptr) {
    tasklet* root = node->owner->root();
    if (claim_root(root, who)) {
      waited = {complete(*node), root};
    }
  }
  who.word_.store(tasklet::bits(how), base::release);  // [word.finish]
  who.lock_.unlock();
  return waited;
}

// Its values are gone: what its frame's end asks for is the thread's.
[[gnu::always_inline]] inline void destroy_detached(tasklet& who, host& here) noexcept {
  here.current_.store(nullptr, base::relaxed);
  who.destroy();
}

// The two below under the lock, which they let go of.
[[gnu::noinline]] void finish_joinable(tasklet& who) noexcept {
  host& here = *who.at();
  const std::uintptr_t link = who.link_;
  const joiner waited = end_as(who, tag::done);
  owner_of(link).child_ended(here, link);
  hand_off(waited, here);
}

[[gnu::noinline]] void finish_detached(tasklet& who) noexcept {
  host& here = *who.at();
  const std::uintptr_t link = who.link_;
  who.word_.store(tasklet::bits(tag::done), base::relaxed);  // nobody can join it
  who.lock_.unlock();
  destroy_detached(who, here);
  owner_of(link).child_ended(here, link);
}

}  // namespace

bool spend_budget_slowly(waiter who) noexcept {
  go_last(who.leaf, who.root);
  return true;
}

namespace {

// A part of a coroutine that stands behind the others, and then begins the coroutine's wait.
struct late_beginning : step {
  late_beginning(void* op, bool (*start)(void*, waiter)) noexcept : step(&run), operation(op), begin(start) {}

  static void run(void* frame) noexcept {
    auto* self = static_cast<late_beginning*>(static_cast<step*>(frame));
    const waiter who(self->leave());
    void* operation = self->operation;
    const auto begin = self->begin;
    std::destroy_at(self);
    free_frame(self, sizeof(late_beginning));
    if (!begin(operation, who)) {
      who.root->at()->transfer_ = who.leaf;
    }
  }

  void* operation;
  bool (*begin)(void*, waiter);
};

}  // namespace

bool begin_later(waiter who, void* operation, bool (*begin)(void*, waiter)) noexcept {
  late_beginning* late = nullptr;
  try {
    late = new (allocate_frame(sizeof(late_beginning))) late_beginning(operation, begin);
  } catch (const std::bad_alloc&) {
    return false;  // the next one will yield
  }
  late->enter(who);
  go_last(&late->record_, who.root);
  return true;
}

// Whoever holds the place may have been taken off his core. The place is looked at without the lock, which he may need: who
// joins this child waits on its record.
void membership::await_release(tasklet& child) noexcept {
  do {
    child.lock_.unlock();
    for (int look = 1; (who.load(base::relaxed) & held) != 0; ++look) {
      base::cpu_pause();
      if (look % 128 == 0) {
        std::this_thread::yield();
      }
    }
    child.lock_.lock();
  } while ((who.load(base::acquire) & held) != 0);  // [member.hold]
}

namespace {

// With a copy: whoever holds the handle may destroy the frame, and the error in it, before the scope has heard of it. Apart,
// so that its cleaning up does not weigh on those that succeed.
[[gnu::noinline]] void finish_failed_root(tasklet& who, std::exception_ptr error) noexcept {
  host& here = *who.at();
  const std::uintptr_t link = who.link_;
  scope_base& owner = owner_of(link);
  const site where = who.site_;
  const bool stopped = has_stopped(who, error);
  who.lock_.lock();
  leave_place(who, link);
  const bool detached = who.is_detached_;
  const bool is_for_owner = detached || owner.keeps_errors();
  who.owes_error_ = !is_for_owner && !stopped;
  if (!is_for_owner) {
    error = nullptr;  // it is the joiner's alone from now on, and ends where the joiner wants
  }
  const joiner waited = end_as(who, tag::failed);
  if (detached) {
    destroy_detached(who, here);
  }
  if (is_for_owner && stopped) {
    owner.child_stopped();
  } else if (is_for_owner) {
    owner.child_failed(std::move(error), detached, where);
  }
  owner.child_ended(here, link);
  hand_off(waited, here);
}

[[gnu::always_inline]] inline void finish_well(tasklet& who) noexcept {
  who.lock_.lock();
  leave_place(who, who.link_);  // which may let go of the lock: only then is it settled whether somebody has the handle
  who.is_detached_ ? finish_detached(who) : finish_joinable(who);
}

[[gnu::noinline]] void finish_root_slowly(tasklet& who, const std::exception_ptr* error) noexcept {
  if (who.has_extras_) {
    drop_extras(who);
  }
  if (error != nullptr) {
    finish_failed_root(who, *error);
  } else {
    finish_well(who);
  }
}

}  // namespace

// The common ways end in jumps, each to a function that saves no more registers than it needs.
void finish_root(tasklet* who, const std::exception_ptr* error) noexcept {
  if (error != nullptr || who->has_extras_) [[unlikely]] {
    finish_root_slowly(*who, error);
  } else {
    finish_well(*who);
  }
}

status status_of(const tasklet& who) noexcept {
  const auto word = who.word_.load(base::acquire);  // [word.finish]
  switch (tasklet::tag_of(word)) {
    case tag::parked:
    case tag::select: return status::blocked;
    case tag::runnable:
      if (word != tasklet::bits(tag::runnable) && (word & queued_mark) == 0) {
        return status::blocked;
      }
      break;
    case tag::created: return status::queued;  // it is being spawned, or stayed in the parent of a fork
    case tag::done: return status::done;
    case tag::failed: return status::failed;
    default: break;
  }
  const host* there = who.at();
  return there != nullptr && there->current_.load(base::relaxed) == &who ? status::running : status::queued;
}

namespace {

[[noreturn]] void refuse_drop_in_join(const tasklet& who) noexcept {
  base::fatal(
      "the handle of the tasklet spawned at ", who.site_.text(),
      " was dropped while another tasklet waits in its join, which could give it no result any more: let who joins "
      "own the handle, or end the join first");
}

void detach_locked(tasklet* who, const std::exception_ptr& (*error_of)(tasklet&)) noexcept {
  if (is_being_joined(*who)) [[unlikely]] {
    refuse_drop_in_join(*who);
  }
  if (!has_ended(*who)) [[likely]] {
    who->is_detached_ = true;  // it destroys itself
    who->lock_.unlock();
    return;
  }
  who->lock_.unlock();
  if (who->owes_error_) [[unlikely]] {
    failure_listener::tell(who->at(), error_of(*who), who->site_);
  }
  who->destroy();
}

[[gnu::noinline]] void detach_contended(tasklet* who, const std::exception_ptr& (*error_of)(tasklet&)) noexcept {
  who->lock_.lock();
  detach_locked(who, error_of);
}

}  // namespace

// The common way needs no register of the caller's.
void detach_slowly(tasklet* who, const std::exception_ptr& (*error_of)(tasklet&)) noexcept {
  if (who->lock_.try_lock()) [[likely]] {
    detach_locked(who, error_of);
  } else {
    detach_contended(who, error_of);
  }
}

void refuse_empty_handle() noexcept {
  base::fatal(
      "an empty handle was asked: it was never given a tasklet, or was moved from (block_on takes its handle over)");
}

void refuse_empty_task() noexcept {
  base::fatal(
      "an empty task was awaited or spawned: each task runs once, and was awaited, spawned or moved from before");
}

void refuse_second_join(const tasklet& who) noexcept {
  if (who.joiner_ == &who) {
    base::fatal("a join was awaited after another one had taken the result of the tasklet spawned at ",
                who.site_.text(), ": join it once, and keep what that gives");
  }
  base::fatal("a handle was joined while another tasklet already waits in its join: join a tasklet once");
}

void refuse_join_of_itself() noexcept {
  base::fatal("a tasklet joined its own handle, and would wait for its own end: return the result instead");
}

void refuse_join(const tasklet& who) {
  if (has_ended(who)) {
    throw misuse("join: the tasklet spawned at " + who.site_.text() +
                 " was joined before, and its result moved out; join once, and keep what it gives");
  }
  throw misuse(
      "join: this is the child of a fork, and the tasklet stayed in the parent, where alone it goes on; join it there, and "
      "spawn in a martlet::scheduler of the child's own");
}

// ---- threads

thread_waiter::thread_waiter() noexcept : resume_(&wake_thread), record_(kind::thread, tasklet::on_stack{}) {
  record_.host_.store(&host_of_threads(), base::relaxed);
}

bool thread_waiter::sleep() noexcept {
  // A partner that runs on another core answers within a microsecond or so; a sleep costs twenty.
  for (int look = 0; look < 200; ++look) {
    if (flag_.load(base::acquire) != 0) {  // [thread.wake]
      return true;
    }
    base::cpu_pause();
  }
  while (flag_.load(base::acquire) == 0) {  // [thread.wake]
    if (!base::futex_wait(flag_, 0, deadline_) && flag_.load(base::acquire) == 0) {
      return false;
    }
  }
  return true;
}

bool claim_timer(thread_waiter& self) noexcept {
  auto word = self.record_.word_.load(base::relaxed);
  if (tasklet::tag_of(word) != tag::select ||
      !self.record_.word_.compare_exchange_strong(word, tasklet::bits(tag::runnable),
                                                  base::relaxed)) {  // [select.claim]
    return false;
  }
  self.timer_->owner = nullptr;
  return true;
}

void sleep_on_thread(thread_waiter& self) noexcept {
  // Those who would have woken it were left in the parent.
  if (base::is_child_of_fork() && self.deadline_ == base::never && !failure_listener::somebody_listens() &&
      base::is_only_thread()) [[unlikely]] {
    self.is_endless_ = true;
    request_cancel(&self.record_);
  }
  while (!self.sleep()) {
    if (base::now() < self.deadline_) {  // a simulation, in which nothing will wake it, and that goes no further
      self.is_endless_ = true;
      request_cancel(&self.record_);
    } else if (claim_timer(self)) {
      return;
    }
    self.deadline_ = base::never;  // a wake-up was first and is on its way
  }
}

void refuse_endless_wait() {
  base::refuse_endless_sleep();
  throw misuse(
      "await: this is the child of a fork, which has one thread and no scheduler, so this wait would never end; the "
      "tasklets of the parent stayed there: make a new martlet::scheduler, and new channels, in the child");
}

void refuse_await_in_coroutine() noexcept {
  if (current_host()->current_.load(base::relaxed) == nullptr) {
    base::fatal(
        "martlet::await was called on a worker outside of any tasklet: in on_worker_start spawn one that waits; "
        "on_worker_stop is too late for that");
  }
  base::fatal(
      "martlet::await was called inside a coroutine, where it would hold up the worker: write co_await instead");
}

void require_blocking_context() noexcept {
  const host* here = current_host();
  if (here != nullptr && here->fiber_ == nullptr) [[unlikely]] {
    refuse_await_in_coroutine();
  }
}

void require_fiber() {
  host* here = current_host();
  if (here == nullptr) {
    throw misuse("await: a plain thread cannot run a task; give it to scheduler::block_on, or spawn it");
  }
  if (here->fiber_ == nullptr) {
    refuse_await_in_coroutine();
  }
}

}  // namespace martlet::detail
