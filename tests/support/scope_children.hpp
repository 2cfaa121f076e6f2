#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include <martlet/scheduler.hpp>

/// Children that tests of scopes spawn.
namespace martlet::testing {

using namespace std::chrono_literals;
using counter = base::atomic<int>;

inline task<> ends_later(counter& ended) {
  co_await martlet::sleep_for(2ms);
  ++ended;
}
// Until it is stopped.
inline task<> sleeps(counter& stopped) {
  try {
    co_await martlet::sleep_for(1h);
  } catch (const cancelled&) {
    ++stopped;
    throw;
  }
}
inline task<> fails(std::string why) {
  co_await martlet::yield();
  throw std::runtime_error(why);
}

}  // namespace martlet::testing
