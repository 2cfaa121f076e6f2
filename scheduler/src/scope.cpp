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

// When the innermost scope that the tasklet is inside of cancels what is inside; `never` where a shield stands between.
base::instant scope::limit_around(detail::tasklet& self) noexcept {
  const std::uint16_t depth = detail::cancel::shields_in(self.cancel_.load(base::relaxed));
  const std::uintptr_t link = detail::owner_link_of(self);
  if ((link & detail::inside_mark) != 0) {
    const auto& around = static_cast<const scope&>(*reinterpret_cast<scope_base*>(link & ~detail::inside_mark));
    return around.reach_ > depth ? around.limit_ : base::never;
  }
  return detail::membership::is_in(link) && depth == 0 ? detail::membership::scope_of(link).limit() : base::never;
}

scope::scope(detail::run_queue* queue, deadline own, detail::scope_kind what)
    : wait_core(detail::kind::scope),
      owner_(detail::running_tasklet()),
      queue_(queue),
      kind_(what),
      uncaught_(std::uncaught_exceptions()),
      limit_(owner_ == nullptr ? base::never : limit_around(*owner_)) {
  if (detail::host* here = detail::current_host(); here != nullptr && queue_ == nullptr) {
    queue_ = static_cast<detail::run_queue*>(here->executor_);
  }
  tells_of_first_child_ = !is_inside_owner();
  if (is_inside_owner()) {
    reach_ = static_cast<std::uint16_t>(1 + detail::cancel::shields_in(owner_->cancel_.load(base::relaxed)));
  }
  is_limited_outside_ = limit_ <= own.at();
  limit_ = std::min(limit_, own.at());
  if (limit_ != base::never && limit_ <= base::now()) {
    deadline_came();
  } else if (limit_ != base::never) {
    require_scheduler();
    queue_->require_own_process("scope");
    watch_ = std::make_unique<detail::deadline_watch>(*this, limit_, *queue_);
  }
  if (is_inside_owner()) {
    link_at_ = &detail::owner_link_of(*owner_);
    outer_link_ = std::exchange(*link_at_,
                                reinterpret_cast<std::uintptr_t>(static_cast<scope_base*>(this)) | detail::inside_mark);
  }
}

void scope::require_scheduler() const {
  if (queue_ == nullptr) {
    throw misuse(
        "scope: it was made on a thread that runs no tasklets; give it the martlet::scheduler that its children run on");
  }
}

scope::~scope() {
  if (kind_ == detail::scope_kind::object) {
    detail::require_blocking_context();
  }
  if (std::uncaught_exceptions() > uncaught_) {
    stop(whom::children);
  }
  while (!have_ended(at_end::yes)) {
    if (detail::running_tasklet() != owner_) {
      base::fatal(
          "a scope that still has children was destroyed by another tasklet than the one that made it: destroy it there, "
          "or join it there before");
    }
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
  detail::require_blocking_context();
  if (detail::running_tasklet() != owner_) {
    throw misuse(
        "scope: join was called by another tasklet or thread than the one that made the scope, which alone hears of its own "
        "cancel; join it there");
  }
  while (!have_ended(at_end::no)) {
    detail::scope_wait end(*this);
    await(end);
  }
  settle(at_end::no, nullptr);
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

// The common ways of a begin and an end, a free place and another child left, end in jumps and save no registers.
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
  detail::membership* place = take_place();
  return seat(place != nullptr ? *place : *enlarge_roster(), who);
}

// Under the lock; null when there is no free one.
detail::membership* scope::take_place() noexcept {
  detail::membership* place = roster_.take();
  return place != nullptr ? place : roster_.take_from_next();
}

// Under the lock, which it lets go of.
inline std::uintptr_t scope::seat(detail::membership& place, detail::tasklet& who) noexcept {
  ++open_;
  if (std::exchange(tells_of_first_child_, false)) [[unlikely]] {
    queue_->scope_filled();
  }
  place.who.store(reinterpret_cast<std::uintptr_t>(&who), base::release);  // [member.enter]
  const bool is_told = children_are_told_ || (owner_ != nullptr && owner_->is_cancelled());
  lock_.unlock();
  if (is_told) [[unlikely]] {
    who.cancel_.fetch_or(detail::cancel::from_the_start, base::relaxed);  // it is in no queue yet
  }
  return reinterpret_cast<std::uintptr_t>(&place) | detail::membership::mark;
}

// Under the lock, which it lets go of meanwhile, and has let go of when it throws.
detail::membership* scope::enlarge_roster() {
  const std::uint32_t length = roster_.next_length();
  lock_.unlock();
  require_scheduler();
  detail::roster::block* more = detail::roster::make_row(*this, length);
  lock_.lock();
  detail::membership* place = take_place();
  if (place == nullptr) {
    roster_.add(more);
    return roster_.take();
  }
  lock_.unlock();
  detail::roster::free_row(more);
  lock_.lock();
  return place;
}

void scope::child_stopped() noexcept {
  const std::lock_guard guard(lock_);
  somebody_stopped_ = true;
}

void scope::child_failed(std::exception_ptr failure, bool, site where) noexcept {
  if (is_late() && detail::is_cancellation(failure)) {
    child_stopped();  // the watch of a scope inside came before our own
    return;
  }
  {
    const std::lock_guard guard(lock_);
    if (first_failure_.error == nullptr) {
      first_failure_ = {std::move(failure), where};  // needs no memory
    } else {
      try {
        more_failures_.push_back({std::move(failure), where});
      } catch (const std::bad_alloc&) {
        base::fatal("there is no memory left for the list of a scope's errors, and losing one would be worse");
      }
    }
  }
  stop(whom::all);
}

void scope::child_ended(detail::host& here, std::uintptr_t link) noexcept {
  static_cast<detail::run_queue*>(here.executor_)->tasklets().leave();
  if (lock_.try_lock()) [[likely]] {
    roster_.give_back(detail::membership::of(link));
    one_ended(here);
  } else {
    child_ended_slowly(here, link);
  }
}

[[gnu::noinline]] void scope::child_ended_slowly(detail::host& here, std::uintptr_t link) noexcept {
  lock_.lock();
  roster_.give_back(detail::membership::of(link));
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
  if (!is_inside_owner() && !std::exchange(tells_of_first_child_, true)) {
    queue_->scope_emptied();
  }
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

// A deadline around this scope ends the waits of the scope's tasklet by itself, but cannot know this scope's children.
void scope::deadline_came() noexcept {
  {
    const std::lock_guard guard(lock_);
    (is_limited_outside_ ? outer_has_passed_ : deadline_has_passed_) = true;
  }
  stop(is_limited_outside_ ? whom::children : whom::all);
}

void scope::stop(whom to_stop) noexcept {
  bool tells_owner = false;
  bool tells_children = false;
  {
    const std::lock_guard guard(lock_);
    if (to_stop == whom::all && is_inside_owner()) {
      tells_owner = !is_stopped_.exchange(true, base::relaxed);
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
// a fence, so some at a time. Whom another canceller holds, that one tells.
void scope::cancel_members() noexcept {
  struct told_one {
    detail::membership* place;
    detail::tasklet* who;
  };
  std::array<told_one, 64> told;
  std::size_t count = 0;
  const auto end_waits = [&told, &count]() noexcept {
    const std::span<told_one> all = std::span(told).first(std::exchange(count, 0));
    base::heavy_fence();
    for (told_one& one : all) {
      detail::tasklet* leaf = detail::end_wait(one.who);
      one.place->let_go(std::exchange(one.who, leaf));
    }
    for (const told_one& one : all) {
      if (one.who != nullptr) {
        detail::ready(one.who, detail::current_host(), detail::turn::last);
      }
    }
  };
  lock_.lock();
  const detail::roster::extent members = roster_.handed_out();
  lock_.unlock();
  detail::roster::visit(members, [&told, &count, end_waits](detail::membership& place) noexcept {
    detail::tasklet* who = place.hold();
    if (who == nullptr) {
      return;
    }
    if (!detail::tell_to_stop(who, 0)) {
      place.let_go(who);
      return;
    }
    told[count++] = {&place, who};
    if (count == told.size()) {
      end_waits();
    }
  });
  if (count != 0) {
    end_waits();
  }
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

// Of those scopes that the tasklet is inside of and that are stopped, the farthest reach.
//
// Takes     the tasklet, which runs; a scope that does not count.
std::uint16_t scope::reach_of_stopped(detail::tasklet& self, const scope* but) noexcept {
  std::uint16_t farthest = 0;
  for (std::uintptr_t link = detail::owner_link_of(self); (link & detail::inside_mark) != 0;) {
    const auto& one = static_cast<const scope&>(*reinterpret_cast<scope_base*>(link & ~detail::inside_mark));
    if (&one != but && one.is_stopped_.load(base::relaxed)) {  // known with [cancel.note]
      farthest = std::max(farthest, one.reach_);
    }
    link = one.outer_link_;
  }
  return farthest;
}

// Whether the waits of the scope's tasklet would throw without this scope too.
bool scope::is_owner_stopped_by_others() const noexcept {
  if (owner_ == nullptr || !owner_->is_cancelled()) {
    return false;
  }
  const std::uint16_t now = owner_->cancel_.load(base::acquire);  // [cancel.note]
  const std::uint16_t without = detail::cancel::with_reach(now, reach_of_stopped(*owner_, this));
  return (detail::cancel::settled(without) & detail::cancel::stop) != 0;
}

// Takes the scope's own hold on its tasklet back. At a join the scope goes on: its tasklet is still inside of it, and a
// deadline that has passed still stands.
//
// Returns   whether the tasklet's waits had been ended by whatever it was inside of.
bool scope::let_go_of_owner(at_end what) noexcept {
  const bool was_told = is_stopped_.load(base::relaxed) || (owner_ != nullptr && owner_->is_cancelled());
  if (what == at_end::yes && link_at_ != nullptr) {
    *std::exchange(link_at_, nullptr) = outer_link_;
  }
  bool lets_go = false;
  {
    const std::lock_guard guard(lock_);
    lets_go = is_stopped_.load(base::relaxed) && (what == at_end::yes || !deadline_has_passed_);
    if (lets_go) {
      is_stopped_.store(false, base::relaxed);
    }
  }
  if (lets_go) {
    detail::forgive_scope(
        *owner_, [](void* self) { return reach_of_stopped(*static_cast<detail::tasklet*>(self), nullptr); }, owner_);
  }
  return was_told;
}

// Whether a deadline has come by the clock. The watches of nested scopes that have one deadline run one after the other, so a
// scope inside may have heard of it first.
bool scope::is_late() const noexcept { return limit_ != base::never && limit_ <= base::now(); }

// All children have ended; others may still call `cancel`, and `spawn` into a scope that is an object.
void scope::settle(at_end what, std::exception_ptr of_the_body) {
  const bool is_too_late = is_late();
  const bool was_told = let_go_of_owner(what) || is_too_late;
  const bool body_stopped = of_the_body != nullptr && was_told && detail::is_cancellation(of_the_body);
  bool was_cut_short = body_stopped;
  bool has_passed = false;
  bool is_inside_passed = false;
  bool has_failures = false;
  {
    const std::lock_guard guard(lock_);
    has_failures = first_failure_.error != nullptr;
    was_cut_short = std::exchange(somebody_stopped_, false) || was_cut_short;
    const bool ends_now = is_too_late && was_cut_short;
    has_passed = deadline_has_passed_ || (ends_now && !is_limited_outside_);
    is_inside_passed = outer_has_passed_ || (ends_now && is_limited_outside_);
    children_are_told_ = has_passed || is_inside_passed;
  }
  std::vector<std::exception_ptr> errors;
  const auto keep = [&errors](std::exception_ptr error) {
    if (std::find(errors.begin(), errors.end(), error) ==
        errors.end()) {  // who joined a child that failed threw its error too
      errors.push_back(std::move(error));
    }
  };
  if (of_the_body != nullptr && !body_stopped) {
    keep(of_the_body);
  }
  if (has_failures) {
    for (auto& failed : take_failures()) {
      keep(std::move(failed.error));
    }
  }
  if (errors.size() == 1) {
    std::rethrow_exception(errors.front());
  }
  if (!errors.empty()) {
    throw scope_failed(std::move(errors));
  }
  if (was_cut_short && (is_inside_passed || is_owner_stopped_by_others())) {
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
    waits = !root->word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::relaxed);  // [select.claim]
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
