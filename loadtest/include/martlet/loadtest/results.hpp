#pragma once

#include <martlet/loadtest/failure.hpp>
#include <martlet/loadtest/histogram.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace martlet::loadtest {

/// How a run ended; the values are martlet-load's exit codes.
enum class outcome : int {
  passed = 0,
  aborted = 97,    // Ctrl-C
  saturated = 98,  // the generator itself could not keep up, so the figures are its own as much as the server's
};

/// What was counted, by one worker or, after merging, by all.
struct tally {
  struct step {
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
  };

  std::uint64_t started = 0;  // requests whose time had come and that were not dropped
  std::uint64_t succeeded = 0;
  std::array<std::uint64_t, failure_count> failures{};
  std::uint64_t dropped = 0;  // constant rate: max_in_flight were under way
  std::uint64_t late = 0;     // constant rate: sent later than late_after after the intended start
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::array<std::uint64_t, 600> statuses{};
  std::vector<step> steps;

  // In nanoseconds. The latencies are those of answered requests, and of timed out ones with the time that was waited.
  histogram from_intended;  // from the intended start to the answer's last byte
  histogram from_send;      // from the send to the answer's last byte
  histogram connect;        // of connections that came about
  histogram lateness;       // of all started requests: how late the generator itself got to them

  std::uint64_t failed() const noexcept {
    std::uint64_t sum = 0;
    for (auto count : failures) sum += count;
    return sum;
  }

  /// Gives the requests that came to an end, well or not.
  std::uint64_t finished() const noexcept { return succeeded + failed(); }

  std::uint64_t in_flight() const noexcept { return started > finished() ? started - finished() : 0; }

  std::uint64_t open_connections() const noexcept {
    return connections_opened > connections_closed ? connections_opened - connections_closed : 0;
  }
};

/// What a run measured, and what it cost the machine that ran it.
struct run_results {
  outcome ended = outcome::passed;
  tally counts;
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds wall{0};  // from the first intended start to the last answer
  std::string address;               // the one that the target's name stood for
  unsigned workers = 0;
  std::chrono::nanoseconds cpu{0};  // of the whole process, user and system, during the run
  std::uint64_t peak_memory = 0;    // bytes resident
  std::uint64_t most_open = 0;      // connections, sampled 20 times a second
  std::string saturation;           // why, when the outcome is saturated; a remark when it is not quite

  double seconds() const noexcept { return std::chrono::duration<double>(wall).count(); }
  double rate() const noexcept { return wall.count() <= 0 ? 0 : static_cast<double>(counts.finished()) / seconds(); }
};

}  // namespace martlet::loadtest
