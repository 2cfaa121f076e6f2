#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <martlet/scheduler/deadline.hpp>
#include <martlet/scheduler/sleep.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/handle.hpp>

namespace martlet {

namespace detail {

template <class Op>
concept case_of_select = requires(Op& op, tasklet*& wake) {
  { op.core() } -> std::convertible_to<wait_core&>;
  { op.try_now(wake) } -> std::convertible_to<bool>;
  op.link();
  op.unlink();
  op.result();
} && std::is_base_of_v<wait_node, Op>;

/// An operation that may turn out to have happened after a cancel or a limit has ended its wait: then another case of a
/// select would have happened as well.
template <class Op>
concept tells_late = requires(const Op& op) { op.is_fulfilled(); };

/// One case of a select, with its type taken away. A time is a case without a core.
struct select_case {
  wait_node* node = nullptr;
  wait_core* core = nullptr;
  bool (*try_now)(wait_node*, tasklet*& wake) = nullptr;
  void (*link)(wait_node*) = nullptr;
  void (*withdraw)(wait_node*) = nullptr;

  template <case_of_select Op>
  static select_case of(Op& op) noexcept {
    return {
        .node = &op,
        .core = &op.core(),
        .try_now = [](wait_node* wait, tasklet*& wake) { return static_cast<Op*>(wait)->try_now(wake); },
        .link = [](wait_node* wait) { static_cast<Op*>(wait)->link(); },
        .withdraw = [](wait_node* wait) { detail::withdraw(*static_cast<Op*>(wait)); },
    };
  }
  static select_case of(sleep_operation& time) noexcept {
    return {.node = &time.timer(), .core = nullptr, .try_now = nullptr, .link = nullptr, .withdraw = nullptr};
  }
};

/// Waits for the first of several cases.
///
/// All cores are locked, in the order of their addresses, while the cases are tried and entered, so that nobody can
/// claim the wait before it stands everywhere; claims are by compare-exchange, since their makers hold different locks.
/// The cases are tried from a random one on. No case is done but the one that is told.
///
/// Source    the select of Go's runtime (runtime/select.go).
class select_wait {
 public:
  static constexpr std::size_t none = SIZE_MAX;

  /// Takes     the cases and room for as many pointers; both stay with the caller.
  select_wait(std::span<select_case> cases, std::span<wait_core*> room) noexcept : cases_(cases), cores_(room) {}

  bool prepare(waiter who);
  bool publish() noexcept;

  /// Takes the waits of the other cases back.
  ///
  /// Returns   which case was done. Throws cancelled.
  std::size_t finish();

 private:
  void lock_all() noexcept;
  static void unlock_all(std::span<wait_core* const> cores) noexcept;
  bool try_all(tasklet& root, tasklet*& wake);

  std::span<select_case> cases_;
  std::span<wait_core*> cores_;   // in the order of their addresses, each once
  std::vector<wait_core*> many_;  // room for a copy of a long `cores_`
  timer_node* timer_ = nullptr;   // the earliest of the times
  std::size_t done_ = none;
  tasklet* root_ = nullptr;  // set once the cases are entered
};

template <class Op>
concept has_after_publish = requires(const Op& op) { op.after_publish(); };

template <has_after_publish Op>
auto after_publish(const Op& op) noexcept {
  return op.after_publish();
}
template <class Op>
auto after_publish(const Op&) noexcept {
  return [] {};
}

// Not inlined: what an inlined await_suspend needs may come to lie in the coroutine's frame, which may be gone.
template <class... Last>
[[gnu::noinline]] bool publish_and_then(select_wait& wait, Last... last) noexcept {
  const bool waits = wait.publish();
  (last(), ...);
  return waits;
}

template <class... Ops>
bool publish_select(select_wait& wait, const Ops&... ops) noexcept {
  if constexpr ((has_after_publish<Ops> || ...)) {
    return publish_and_then(wait, after_publish(ops)...);
  } else {
    return wait.publish();
  }
}

template <class T>
using case_result = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class Op>
auto take_result(Op& op) {
  if constexpr (std::is_void_v<decltype(op.result())>) {
    op.result();
    return std::monostate{};
  } else {
    return op.result();
  }
}

/// `select(...)`.
template <class... Ops>
class [[nodiscard("await it")]] select_operation final : public operation<select_operation<Ops...>> {
 public:
  using result_type = std::variant<case_result<decltype(std::declval<Ops&>().result())>...>;
  static constexpr bool yields_first = (Ops::yields_first || ...);

  explicit select_operation(Ops&&... ops) noexcept : ops_(std::move(ops)...) {}

  bool prepare(waiter who) {
    std::apply([this](auto&... op) { cases_ = {select_case::of(op)...}; }, ops_);
    wait_.emplace(cases_, cores_);
    return wait_->prepare(who);
  }
  bool publish() noexcept {
    return std::apply([this](const auto&... op) { return publish_select(*wait_, op...); }, ops_);
  }
  result_type finish() { return result_of(wait_->finish(), std::index_sequence_for<Ops...>{}); }

 private:
  template <std::size_t... I>
  result_type result_of(std::size_t done, std::index_sequence<I...>) {
    std::optional<result_type> result;
    static_cast<void>(
        ((done == I ? (result.emplace(std::in_place_index<I>, take_result(std::get<I>(ops_))), true) : false) || ...));
    return std::move(*result);
  }

  std::tuple<Ops...> ops_;
  std::array<select_case, sizeof...(Ops)> cases_;
  std::array<wait_core*, sizeof...(Ops)> cores_{};
  std::optional<select_wait> wait_;
};

/// `within(...)`.
template <class Op>
class [[nodiscard("await it")]] timed_operation final : public operation<timed_operation<Op>> {
 public:
  static constexpr bool yields_first = Op::yields_first;

  timed_operation(Op&& op, sleep_operation&& limit) noexcept : op_(std::move(op)), limit_(std::move(limit)) {}

  bool prepare(waiter who) {
    cases_ = {select_case::of(op_), select_case::of(limit_)};
    wait_.emplace(cases_, cores_);
    return wait_->prepare(who);
  }
  bool publish() noexcept { return publish_select(*wait_, op_); }
  decltype(auto) finish() {
    if constexpr (tells_late<Op>) {
      if (!ended_in_time()) {
        throw deadline_passed();
      }
    } else if (wait_->finish() != 0) {
      throw deadline_passed();
    }
    return op_.result();
  }

  /// Returns   the operation, whose value is still there after a send that was not done.
  Op& inner() noexcept { return op_; }

 private:
  // What had happened when the limit or a cancel ended the wait wins over them.
  bool ended_in_time() {
    try {
      return wait_->finish() == 0 || op_.is_fulfilled();
    } catch (const cancelled&) {
      if (!op_.is_fulfilled()) {
        throw;
      }
      return true;
    }
  }

  Op op_;
  sleep_operation limit_;
  std::array<select_case, 2> cases_;
  std::array<wait_core*, 2> cores_{};
  std::optional<select_wait> wait_;
};

}  // namespace detail

/// Waits for whichever of several operations can be done first, and does that one only.
///
/// ```cpp
/// auto first = co_await martlet::select(orders.receive(), log.send(line), worker.join(), martlet::sleep_for(50ms));
/// switch (first.index()) {
///   case 0: std::get<0>(first);   // the std::optional<order> that `receive` gives
///   ...
/// }
/// ```
///
/// Takes     operations of channels, joins, sockets and times, two or more of any mix. A time is looked at last, so that
///           `sleep_for(0s)` makes a select that does not wait.
/// Returns   a std::variant whose index says which; it holds that operation's result, std::monostate for none.
/// Throws    what that operation throws (a send into a closed channel counts as done), cancelled.
/// Suspends  until one can be done; resumed by the worker that did it.
/// Cost      a lock for each case; fair: of several that can be done a random one is.
template <class... Ops>
  requires(sizeof...(Ops) > 0 && (!std::is_lvalue_reference_v<Ops> && ...) && (!detail::tells_late<Ops> && ...))
auto select(Ops&&... ops) noexcept {
  return detail::select_operation<Ops...>(std::move(ops)...);
}

/// Gives an operation a time limit. For a task there is a twin in scope.hpp.
///
/// ```cpp
/// auto order = co_await martlet::within(50ms, orders.receive());
/// ```
///
/// Throws    deadline_passed when the limit came first; the operation has then not been done.
template <class Op>
  requires(!std::is_lvalue_reference_v<Op> && detail::case_of_select<Op>)
auto within(deadline limit, Op&& op) noexcept {
  return detail::timed_operation<Op>(std::move(op), detail::sleep_operation(limit.at()));
}

}  // namespace martlet
