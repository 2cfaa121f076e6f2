#pragma once

#include <type_traits>
#include <utility>

#include <martlet/channel.hpp>
#include <martlet/tasklet.hpp>

#include "counted.hpp"
#include "operation.hpp"

/// One call that may wait, in a coroutine and elsewhere, with its result.
namespace martlet::testing {

/// Returns   the value that a send has kept, 0 for other operations.
template <class Op>
int value_kept_by(Op& op) {
  if constexpr (requires { op.value(); }) {
    return op.value().value();
  } else if constexpr (requires { op.inner(); }) {
    return value_kept_by(op.inner());
  } else {
    return 0;
  }
}

/// Tells what an operation threw. For a handler of exceptions.
template <class Op>
result result_of_error(Op& op) {
  try {
    throw;
  } catch (const cancelled&) {
    return {ending::cancelled, 0, value_kept_by(op)};
  } catch (const deadline_passed&) {
    return {ending::deadline_passed, 0, value_kept_by(op)};
  } catch (const channel_closed&) {
    return {ending::closed, 0, value_kept_by(op)};
  }
}

template <class Op>
inline constexpr bool gives_nothing = std::is_void_v<decltype(std::declval<Op&>().finish())>;

/// An operation that cannot be moved, to be made where it is awaited.
template <class Make>
struct made_there {
  Make make;
};
template <class Make>
made_there(Make) -> made_there<Make>;

template <class Op>
Op& made(Op& op) {
  return op;
}
template <class Make>
auto made(made_there<Make>& of) {
  return of.make();
}

/// Waits in a fiber or on a thread.
///
/// Takes     an operation or a `made_there`; `tell`, which makes a result of what the operation gives.
template <class Given, class Tell>
result attempt_here(Given given, Tell tell) {
  auto&& op = made(given);
  using Op = std::remove_reference_t<decltype(op)>;
  try {
    if constexpr (gives_nothing<Op>) {
      martlet::await(op);
      return {ending::done, 0, 0};
    } else {
      return tell(martlet::await(op));
    }
  } catch (...) {
    return result_of_error(op);
  }
}

/// Waits in a coroutine.
template <class Given, class Tell>
task<result> attempt_in_coroutine(Given given, Tell tell) {
  auto&& op = made(given);
  using Op = std::remove_reference_t<decltype(op)>;
  try {
    if constexpr (gives_nothing<Op>) {
      co_await op;
      co_return result{ending::done, 0, 0};
    } else {
      co_return tell(co_await op);
    }
  } catch (...) {
    co_return result_of_error(op);
  }
}

}  // namespace martlet::testing
