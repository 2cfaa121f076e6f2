#pragma once

#include <chrono>

#include <poll.h>

#include <martlet/scheduler/guest.hpp>

namespace martlet::testing {

/// Returns   whether a guest's descriptor is readable, or becomes so in `time`.
inline bool is_told(const guest& of, std::chrono::milliseconds time = std::chrono::milliseconds(0)) {
  pollfd one{.fd = of.event_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(time.count())) == 1;
}

/// An event loop that has nothing but a guest: sleeps until the descriptor is readable, polls, until `claim()` is true.
///
/// Returns   false when the descriptor was not readable for so long that it never will be.
template <class Claim>
bool loop_until(guest& of, Claim claim, poll_budget most = {}) {
  while (!claim()) {
    if (!is_told(of, std::chrono::seconds(30))) {
      return false;
    }
    of.poll(most);
  }
  return true;
}

}  // namespace martlet::testing
