#pragma once

#include <chrono>

#include <martlet/base/clock.hpp>

namespace martlet {

/// A moment by which something has to be over: given as a duration from now, or as a time of the steady clock.
///
/// ```cpp
/// co_await martlet::within(50ms, orders.receive());
/// const martlet::deadline soon = 2s;            // counts from here
/// co_await martlet::within(soon, orders.receive());
/// ```
class deadline {
 public:
  /// Makes one that never comes.
  constexpr deadline() noexcept = default;

  /// Takes     a duration of any unit; zero or less is over already.
  template <class Rep, class Period>
  deadline(std::chrono::duration<Rep, Period> from_now) noexcept
      : at_(from_now.count() <= 0 ? 0 : base::after(base::now(), from_now)) {}
  deadline(std::chrono::steady_clock::time_point moment) noexcept
      : at_(std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count()) {}

  base::instant at() const noexcept { return at_; }
  bool has_passed() const noexcept { return at_ <= 0 || (at_ != base::never && at_ <= base::now()); }

 private:
  base::instant at_ = base::never;
};

}  // namespace martlet
