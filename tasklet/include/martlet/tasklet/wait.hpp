#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/tasklet.hpp>

/// The waist: everything that waits does so through park, claim and ready.
///
/// A wait is an *operation* with three verbs:
///   bool prepare(waiter who)      does it at once (false), or enters it into its core and keeps the core locked (true)
///   bool publish()                lets go of the core, after which anybody may claim the wait and `this` may be gone;
///                                 false when the wait turned out to be over: go on at once
///   R    finish()                 tells the result, or throws
/// A coroutine calls the first two from `await_suspend`, when it is suspended already. A fiber calls `prepare` on its
/// own stack and has its worker call `publish` once it has left that stack. A thread calls both and sleeps.
///
/// Arbitration: a wake-up, a cancel and a timeout race for one wait; whoever *claims* it readies the tasklet. A wait on
/// one core is claimed under that core's lock with a plain store, a wait on several (a select, a timeout) by
/// compare-exchange. Claimed work is finished work: a node whose `owner` is null was completed by its claimer; one
/// whose owner still stands when its tasklet runs again was cancelled, and takes itself out of the core.
namespace martlet::detail {

/// Who waits: the leaf, which is resumed in the end, and its root, whose wait it is. Looked up once for a wait.
struct waiter {
  waiter(tasklet* the_leaf) noexcept : leaf(the_leaf), root(the_leaf->root()) {}

  tasklet* leaf;
  tasklet* root;
};

/// One wait in a core's list.
struct wait_node {
  wait_node* next = nullptr;  // null: in no list
  wait_node* prev = nullptr;
  tasklet* owner = nullptr;  // the leaf to make ready; null once completed

  bool is_linked() const noexcept { return next != nullptr; }
};

/// A circular list of waits, oldest first.
class wait_list {
 public:
  wait_list() noexcept { head_.next = head_.prev = &head_; }
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  wait_node* front() noexcept { return empty() ? nullptr : head_.next; }

  void push_back(wait_node& node) noexcept {
    node.prev = head_.prev;
    node.next = &head_;
    head_.prev->next = &node;
    head_.prev = &node;
  }

  static void unlink(wait_node& node) noexcept {
    node.prev->next = node.next;
    node.next->prev = node.prev;
    node.next = nullptr;
  }

  /// Counts the waits. Cost: O(n).
  std::size_t size() const noexcept {
    std::size_t count = 0;
    for (const wait_node* node = head_.next; node != &head_; node = node->next) {
      ++count;
    }
    return count;
  }

 private:
  wait_node head_;
};

/// Makes the tasklet of `who` wait on `core`, whose lock the caller holds and keeps.
///
/// Returns   false when the tasklet has been cancelled: then it does not wait.
inline bool park(waiter who, wait_core& core) noexcept {
  tasklet* root = who.root;
  root->word_.store(tasklet::parked_on(core), base::release);  // [word.park] [cancel.look]
  base::light_fence();                                         // [cancel.look] model
  if (root->is_cancelled()) [[unlikely]] {                     // [cancel.look]
    root->word_.store(tasklet::bits(tag::runnable), base::relaxed);
    return false;
  }
  return true;
}

/// Wins the wait on `core` of the tasklet `root`, or of which `owner` is a part, for the caller, who holds the core's lock,
/// has found the owner's node there, and will complete that node and make the owner ready.
///
/// Returns   false when a cancel or another case of a select was first; the node is then dead and is left to its owner.
inline bool claim_root(tasklet* root, wait_core& core) noexcept {
  auto word = root->word_.load(base::relaxed);  // under the lock that parked it
  if (word == tasklet::parked_on(core)) [[likely]] {
    root->word_.store(tasklet::bits(tag::runnable), base::relaxed);
    return true;
  }
  // [select.claim] the winner of a select; the losers see "runnable" and leave its nodes alone, which the cores' locks hand on
  return tasklet::tag_of(word) == tag::select &&
         root->word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::relaxed);
}
inline bool claim(tasklet* owner, wait_core& core) noexcept { return claim_root(owner->root(), core); }

/// Makes a claimed tasklet run again. Call it without any lock, and touch nothing of the operation afterwards.
inline void ready(tasklet* who, host* here, turn when = turn::next) noexcept {
  tasklet* root = who->root();
  root->at()->executor_->ready(who, root, here, when);
}

/// Asks a tasklet to stop: every wait it is in or will begin throws `cancelled`, but for those behind a shield.
///
/// `who` is a root whose frame the caller keeps alive. `reach` is that of a scope that it is inside of (`cancel`), or 0 for
/// good.
///
/// Threads   any.
/// Cost      a lock when it waits; a `heavy_fence` (17 us) when it runs.
void request_cancel(tasklet* who, std::uint16_t reach = 0) noexcept;

/// The same in two steps, for many at once: first all are told, then after one `heavy_fence` the wait of each is ended.
///
/// Returns   whether the second step is due: not behind a shield, nor when another canceller is about to take it.
bool tell_to_stop(tasklet* who, std::uint16_t reach) noexcept;

/// Takes back the mark that a canceller looks, which `tell_to_stop` has made: the last of the second step.
inline void stop_looking(tasklet& who) noexcept {
  who.cancel_.fetch_and(static_cast<std::uint16_t>(~cancel::looking), base::relaxed);
}

/// Ends the wait that `who` is in, if it is in one. There was a `heavy_fence` since it was told.
///
/// Returns   whom to make ready, null for nobody.
tasklet* end_wait(tasklet* who) noexcept;

/// Takes back what a scope that ends has asked for: leaves the farthest reach of the others, which `others(asked)` tells.
/// For the running tasklet itself.
void forgive_scope(tasklet& self, std::uint16_t (*others)(void* asked), void* asked) noexcept;

/// Raises a shield, and lowers it. For the running tasklet itself.
void raise_shield(tasklet& self) noexcept;
void lower_shield(tasklet& self) noexcept;

/// Begins a wait of `who` with `node`.
///
/// Returns   false when its tasklet has been cancelled: then the operation does nothing at all.
inline bool begin(wait_node& node, waiter who) noexcept {
  node.owner = who.leaf;
  return !who.root->is_cancelled();
}

/// Completes a claimed node that has been taken out of its list.
///
/// Returns   whom to make ready once the core is unlocked.
inline tasklet* complete(wait_node& node) noexcept { return std::exchange(node.owner, nullptr); }

/// Puts a coroutine that runs, and is suspended, behind all others.
inline void go_last(tasklet* leaf, tasklet* root) noexcept {
  host* here = root->at();
  if (tasklet* next = here->executor_->rotate(leaf, root, *here); next != nullptr) [[likely]] {
    here->transfer_ = next;
    here->queues_.leave();
  } else {
    here->executor_->ready(leaf, root, here, turn::last);
  }
}

/// Takes one of the waits that may succeed at once; the tasklet whose budget is spent goes behind the others.
///
/// Returns   true when the owner was made ready again and has to suspend.
bool spend_budget_slowly(waiter who) noexcept;
inline bool spend_budget(waiter who) noexcept { return --who.root->at()->budget_ < 0 && spend_budget_slowly(who); }

/// An operation that is a part of its tasklet rather than a wait: what it runs may wait.
template <class Op>
concept is_call = requires { typename Op::is_call; };

/// Looks for locks of a thread that are held over a wait, where that is looked for (held_locks.hpp).
template <class Op>
void look_for_held_locks([[maybe_unused]] waiter who) noexcept {
#ifndef NDEBUG
  if (const host* here = who.root->at(); here != nullptr && !is_call<Op>) {
    refuse_held_locks(*here);
  }
#endif
}

/// Spends the budget of a coroutine before its wait begins, for operations that say `yields_first`: a lock that is taken
/// and then held behind all others would make everybody else queue for it.
///
/// Returns   true when the coroutine went behind the others and will begin the wait when it is its turn; false to begin now.
bool begin_later(waiter who, void* operation, bool (*begin)(void*, waiter)) noexcept;

template <class T>
concept record_of_promise = std::is_base_of_v<tasklet, T>;

/// What all operations share: a coroutine awaits one with `co_await`, a fiber or a thread with `martlet::await`.
///
/// Operations are no aggregates on purpose: g++ 12 destroys a temporary aggregate in a co_await expression twice.
template <class Derived>
class operation {
 public:
  static constexpr bool yields_first = false;  // a tasklet whose budget is spent yields before this wait, not after it

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    static_assert(record_of_promise<Promise>, "await this inside a martlet::task");
    const waiter who(&handle.promise());
    auto& self = static_cast<Derived&>(*this);
    look_for_held_locks<Derived>(who);
    if constexpr (Derived::yields_first) {
      const auto begin = [](void* op, waiter of) {
        return static_cast<Derived*>(op)->prepare(of) && static_cast<Derived*>(op)->publish();
      };
      return (--who.root->at()->budget_ < 0 && begin_later(who, &self, begin)) || begin(&self, who);
    }
    if (!self.prepare(who)) {
      return spend_budget(who);
    }
    return self.publish();
  }

  decltype(auto) await_resume() { return static_cast<Derived&>(*this).finish(); }

 protected:
  operation() noexcept = default;
  operation(operation&&) noexcept = default;
  operation(const operation&) noexcept = default;
  operation& operator=(const operation&) = delete;
  ~operation() = default;
};

}  // namespace martlet::detail
