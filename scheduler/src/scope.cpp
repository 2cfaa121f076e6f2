#include <martlet/scheduler/scope.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <span>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/check.hpp>
#include <martlet/tasklet/failure.hpp>

#include "deadline_watch.hpp"
#include "run_queue.hpp"

namespace martlet {

scope_failed::scope_failed(std::vector<std::exception_ptr> errors) : errors_(std::move(errors)) {
  text_ = std::to_string(errors_.size()) + " tasklets of one scope failed:";
  for (const auto& error : errors_) {
    text_ += "\n  " + detail::text_of(error);
  }
}

scope::scope(detail::run_queue* queue, deadline limit, detail::scope_kind what)
    : queue_(queue), owner_(detail::running_tasklet()), kind_(what), uncaught_(std::uncaught_exceptions()) {
  if (detail::host* here = detail::current_host(); here != nullptr && queue_ == nullptr) {
    queue_ = static_cast<detail::run_queue*>(here->executor_);
  }
  const bool encloses = kind_ == detail::scope_kind::encloses_body && owner_ != nullptr;
  if (encloses) {
    reach_ = static_cast<std::uint16_t>(1 + detail::cancel::shields_in(owner_->cancel_.load(base::relaxed)));
  }
  if (limit.has_passed()) {
    deadline_came();
  } else if (limit.at() != base::never) {
    if (queue_ == nullptr) {
      throw misuse(
          "scope: this thread runs no tasklets; give the scope the martlet::scheduler that its children run on");
    }
    queue_->require_own_process("scope");
    watch_ = std::make_unique<detail::deadline_watch>(*this, limit.at(), *queue_);
  }
  if (encloses) {
    link_at_ = &detail::owner_link_of(*owner_);
    outer_link_ = std::exchange(*link_at_,
                                reinterpret_cast<std::uintptr_t>(static_cast<scope_base*>(this)) | detail::inside_mark);
  }
}

scope::~scope() {
  if (std::uncaught_exceptions() > uncaught_) {
    stop(whom::children);
  }
  while (!have_ended(at_end::yes)) {
    detail::scope_wait end(*this);
    await(end);
  }
  if (first_failure_.error != nullptr) {  // without the lock: no child is left
    for (const auto& failed : take_failures()) {
      detail::failure_listener::tell(queue_ == nullptr ? nullptr : &queue_->some_host(), failed.error,
                                     failed.spawned_at);
    }
  }
}

void scope::join() {
  while (!have_ended(at_end::no)) {
    detail::scope_wait end(*this);
    await(end);
  }
  settle(nullptr);
}

std::size_t scope::size() noexcept {
  const std::lock_guard guard(lock_);
  return open_;
}

// Whether all children have ended; at the scope's end the deadline is watched no more either. A cancel of the scope's tasklet
// is passed on to the children.
bool scope::have_ended(at_end what) noexcept {
  {
    const std::lock_guard guard(lock_);
    if (what == at_end::yes && open_ == 0 && watch_ != nullptr && !watch_->stop()) {
      ++open_;  // it runs just now
    }
    if (open_ == 0) {
      return true;
    }
  }
  if (owner_ != nullptr && owner_->is_cancelled()) {
    stop(whom::children);
  }
  return false;
}

// ---- the children

// The common ways of both, a free place and another child left, end in jumps and save no registers: half a million scopes a
// second have a child.
std::uintptr_t scope::child_began(detail::tasklet& who) {
  if (lock_.try_lock()) [[likely]] {
    if (detail::membership* place = roster_.take(); place != nullptr) [[likely]] {
      return seat(*place, who);
    }
    lock_.unlock();
  }
  return child_began_slowly(who);
}

[[gnu::noinline]] std::uintptr_t scope::child_began_slowly(detail::tasklet& who) {
  lock_.lock();
  detail::membership* place = roster_.take();
  return seat(place != nullptr ? *place : *enlarge_roster(), who);
}

// Under the lock, which it lets go of.
inline std::uintptr_t scope::seat(detail::membership& place, detail::tasklet& who) noexcept {
  place.of = this;
  ++open_;
  place.who.store(reinterpret_cast<std::uintptr_t>(&who), base::release);  // [member.enter]
  const bool is_told = children_are_told_;
  lock_.unlock();
  if (is_told) [[unlikely]] {
    who.cancel_.fetch_or(detail::cancel::from_the_start, base::relaxed);  // it is in no queue yet
  }
  return reinterpret_cast<std::uintptr_t>(&place) | detail::membership::mark;
}

// Under the lock, which it lets go of meanwhile, and has let go of when it throws.
detail::membership* scope::enlarge_roster() {
  lock_.unlock();
  detail::roster::block* more = detail::roster::make_block();
  lock_.lock();
  detail::membership* place = roster_.take();
  if (place == nullptr) {
    roster_.add(more);
    return roster_.take();
  }
  lock_.unlock();
  detail::roster::free_block(more);
  lock_.lock();
  return place;
}

void scope::child_failed(std::exception_ptr failure, bool, site where) noexcept {
  const bool stopped = detail::is_cancellation(failure);
  {
    const std::lock_guard guard(lock_);
    if (stopped) {
      somebody_stopped_ = true;
      return;
    }
    if (first_failure_.error == nullptr) {
      first_failure_ = {std::move(failure), where};  // needs no memory
    } else {
      try {
        more_failures_.push_back({std::move(failure), where});
      } catch (const std::bad_alloc&) {
        // There is none to say more with.
      }
    }
  }
  stop(whom::all);
}

void scope::child_ended(detail::host& here, detail::membership* place) noexcept {
  static_cast<detail::run_queue*>(here.executor_)->tasklets().leave();
  if (lock_.try_lock()) [[likely]] {
    roster_.give_back(*place);
    one_ended(here);
  } else {
    child_ended_slowly(here, *place);
  }
}

[[gnu::noinline]] void scope::child_ended_slowly(detail::host& here, detail::membership& place) noexcept {
  lock_.lock();
  roster_.give_back(place);
  one_ended(here);
}

// Under the lock, which it lets go of: the last touch, since whoever waits may end the scope then.
void scope::one_ended(detail::host& here) noexcept {
  if (--open_ != 0) [[likely]] {
    lock_.unlock();
  } else {
    all_have_ended(here);
  }
}

// As one_ended.
[[gnu::noinline]] void scope::all_have_ended(detail::host& here) noexcept {
  detail::tasklet* waiting = nullptr;
  // One that was completed stays until it has run; another child may have been spawned, and have ended, meanwhile.
  if (waiter_ != nullptr && waiter_->owner != nullptr && detail::claim(waiter_->owner, *this)) {
    waiting = detail::complete(*waiter_);
  }
  lock_.unlock();
  if (waiting != nullptr) {
    detail::ready(waiting, &here);
  }
}

// ---- stopping them

void scope::deadline_came() noexcept {
  {
    const std::lock_guard guard(lock_);
    deadline_has_passed_ = true;
  }
  stop(whom::all);
}

void scope::stop(whom to_stop) noexcept {
  bool tells_owner = false;
  bool tells_children = false;
  {
    const std::lock_guard guard(lock_);
    if (to_stop == whom::all && kind_ == detail::scope_kind::encloses_body && owner_ != nullptr) {
      tells_owner = !is_stopped_.exchange(true, base::acq_rel);
    }
    tells_children = !std::exchange(children_are_told_, true);
  }
  if (tells_owner) {
    detail::request_cancel(owner_, reach_);
  }
  if (tells_children) {
    cancel_members();
  }
}

// A child that is held cannot end; one whose wait has been ended for it does not before it is made ready. They are held over
// a fence, so a run at a time. Whom another canceller holds, that one tells.
void scope::cancel_members() noexcept {
  lock_.lock();
  const detail::roster::extent members = roster_.handed_out();
  lock_.unlock();
  roster_.visit(members, [](std::span<detail::membership> places) {
    struct told_one {
      detail::membership* place;
      detail::tasklet* who;
    };
    std::array<told_one, detail::roster::longest_run> told;
    std::size_t count = 0;
    for (auto& place : places) {
      if (detail::tasklet* who = place.hold(); who == nullptr) {
      } else if (detail::tell_to_stop(who, 0)) {
        told[count++] = {&place, who};
      } else {
        place.let_go(who);
      }
    }
    if (count != 0) {
      base::heavy_fence();
    }
    for (told_one& one : std::span(told).first(count)) {
      detail::tasklet* leaf = detail::end_wait(one.who);
      one.place->let_go(std::exchange(one.who, leaf));
    }
    for (const told_one& one : std::span(told).first(count)) {
      if (one.who != nullptr) {
        detail::ready(one.who, detail::current_host(), detail::turn::last);
      }
    }
  });
}

// ---- the end

std::vector<detail::failed_child> scope::take_failures() {
  const std::lock_guard guard(lock_);
  std::vector<detail::failed_child> failures = std::exchange(more_failures_, {});
  if (first_failure_.error != nullptr) {
    failures.insert(failures.begin(), std::exchange(first_failure_, {}));
  }
  return failures;
}

// Of those scopes around this one that are stopped, the farthest reach.
std::uint16_t scope::reach_of_outer() const noexcept {
  std::uint16_t farthest = 0;
  for (std::uintptr_t link = outer_link_; (link & detail::inside_mark) != 0;) {
    const auto& outer = static_cast<const scope&>(*reinterpret_cast<scope_base*>(link & ~detail::inside_mark));
    if (outer.is_stopped_.load(base::acquire)) {
      farthest = std::max(farthest, outer.reach_);
    }
    link = outer.outer_link_;
  }
  return farthest;
}

// All children have ended; others may still call `cancel`, and `spawn` into a scope that is an object.
void scope::settle(std::exception_ptr of_the_body) {
  if (link_at_ != nullptr) {
    *std::exchange(link_at_, nullptr) = outer_link_;
  }
  if (is_stopped_.load(base::acquire)) {
    is_stopped_.store(false, base::release);
    detail::forgive_scope(*owner_, [](void* self) { return static_cast<scope*>(self)->reach_of_outer(); }, this);
  }
  const bool body_stopped = of_the_body != nullptr && detail::is_cancellation(of_the_body);
  bool was_cut_short = body_stopped;
  bool has_passed = false;
  bool has_failures = false;
  {
    const std::lock_guard guard(lock_);
    has_failures = first_failure_.error != nullptr;
    was_cut_short = std::exchange(somebody_stopped_, false) || was_cut_short;
    has_passed = children_are_told_ = deadline_has_passed_;
  }
  std::vector<std::exception_ptr> errors;
  if (has_failures) {
    for (auto& failed : take_failures()) {
      errors.push_back(std::move(failed.error));
    }
  }
  if (of_the_body != nullptr && !body_stopped &&
      std::find(errors.begin(), errors.end(), of_the_body) ==
          errors.end()) {  // it may have joined the child that failed
    errors.insert(errors.begin(), std::move(of_the_body));
  }
  if (errors.size() == 1) {
    std::rethrow_exception(errors.front());
  }
  if (!errors.empty()) {
    throw scope_failed(std::move(errors));
  }
  if (was_cut_short && owner_ != nullptr && owner_->is_cancelled()) {
    throw cancelled();
  }
  if (was_cut_short && has_passed) {
    throw deadline_passed();
  }
  if (body_stopped) {
    std::rethrow_exception(of_the_body);
  }
}

namespace detail {

bool scope_wait::prepare(waiter who) noexcept {
  scope_->lock_.lock();
  if (scope_->open_ == 0) {
    scope_->lock_.unlock();
    return false;
  }
  if (scope_->waiter_ != nullptr) {
    scope_->lock_.unlock();
    base::fatal(
        "a scope was joined while another tasklet or thread already waits for its children: join a scope in one place");
  }
  node_.owner = who.leaf;
  scope_->waiter_ = &node_;
  return true;
}

// A scope lies in any memory, so a canceller must not lock it: the wait is claimed as a select is, and marked only now that
// a fiber has left its stack. One cancel ends it, for the children to be told.
bool scope_wait::publish() noexcept {
  scope& in = *scope_;
  const bool children_are_told = in.children_are_told_;
  tasklet* root = node_.owner->root();
  root->word_.store(tasklet::bits(tag::select), base::release);  // [word.park] [cancel.look]
  base::light_fence();
  bool waits = true;
  if (root->is_cancelled() && !children_are_told) [[unlikely]] {  // [cancel.look]
    auto word = tasklet::bits(tag::select);
    waits = !root->word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::acq_rel);  // [select.claim]
  }
  in.lock_.unlock();
  return waits;
}

void scope_wait::finish() noexcept {
  const std::lock_guard guard(scope_->lock_);
  scope_->waiter_ = nullptr;
}

void refuse_blocking_scope_in_coroutine() noexcept {
  if (host* here = current_host(); here != nullptr && here->fiber_ == nullptr) {
    base::fatal(
        "in_scope was given a function that returns no task, inside a coroutine, where it would hold up the worker: let "
        "the function return a martlet::task, and co_await in_scope");
  }
}

}  // namespace detail

}  // namespace martlet
