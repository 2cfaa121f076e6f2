#pragma once

#include <utility>

#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

/// Takes an operation's node out of its core, when the wait ended some other way.
template <class Op>
[[gnu::noinline, gnu::cold]] void withdraw(Op& op) noexcept {
  wait_core& core = op.core();
  core.lock_.lock();
  const bool stood_there = op.is_linked();
  if (stood_there) {
    op.unlink();
  }
  core.lock_.unlock();
  if constexpr (requires { op.settle(); }) {
    if (stood_there) {
      op.settle();
    }
  }
}

/// An operation that waits in one core, alone or as a case of a select.
///
/// `Derived` gives, all but the last under the core's lock:
///   wait_core& core()
///   bool try_now(tasklet*& wake)  does it at once if that is possible; `wake` is whom to make ready after the unlock
///   void link(), void unlink()    enters its node into the core, takes it out again
///   R result()                    what it gives once `owner` is null
/// One that has more to do when its core is unlocked, and it may be gone, has a `publish` of its own, and for a select
///   auto after_publish()          copies what it needs for that into a function
/// and where they are needed:
///   void settle()                 after the unlock: makes those ready whom its `unlink` let go on
///   bool is_fulfilled() const     whether what it waited for had happened when a cancel or a limit ended the wait: then it
///                                 has a result after all. Asked once the node was taken out; not of cases of a select
/// It is its own wait node, so that whoever claims the node has the operation.
template <class Derived, class Node = wait_node>
class case_operation : public operation<Derived>, public Node {
 public:
  bool prepare(waiter who) {
    if (!begin(*this, who)) {
      return false;
    }
    wait_core& core = self().core();
    core.lock_.lock();
    tasklet* wake = nullptr;
    if (self().try_now(wake)) {
      this->owner = nullptr;
      core.lock_.unlock();
      if (wake != nullptr) {
        ready(wake, who.root->at());
      }
      return false;
    }
    if (!park(who, core)) {
      core.lock_.unlock();
      return false;
    }
    self().link();
    return true;
  }

  bool publish() noexcept {
    self().core().lock_.unlock();
    return true;
  }

  decltype(auto) finish() {
    if (this->owner != nullptr) [[unlikely]] {
      withdraw();
      if constexpr (requires { self().is_fulfilled(); }) {
        if (self().is_fulfilled()) {
          return self().result();
        }
      }
      throw cancelled();
    }
    return self().result();
  }

  /// Takes the node out of the core, when the wait ended some other way.
  void withdraw() noexcept { detail::withdraw(self()); }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }

 protected:
  // An operation that has not begun has an owner too: null means completed.
  template <class... Args>
  explicit case_operation(Args&... args) noexcept : Node(args...) {
    this->owner = reinterpret_cast<tasklet*>(&not_begun);
  }
  case_operation(case_operation&& other) noexcept : operation<Derived>(std::move(other)), Node(other) {
    this->owner = reinterpret_cast<tasklet*>(&not_begun);
  }

  static inline char not_begun = 0;
};

}  // namespace martlet::detail
