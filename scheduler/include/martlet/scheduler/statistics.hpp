#pragma once

#include <chrono>
#include <cstdint>

namespace martlet {

/// What a scheduler has done since it started, summed over its workers. Each figure is exact when nothing moves.
struct scheduler_statistics {
  std::uint64_t spawned = 0;   // tasklets entered outside of any scope
  std::uint64_t ended = 0;     // of these
  std::uint64_t resumed = 0;   // times a worker ran a tasklet
  std::uint64_t stolen = 0;    // tasklets taken from another worker's offer
  std::uint64_t borrowed = 0;  // tasklets taken from a worker that was inside another one for long
  std::uint64_t sleeps = 0;    // times a worker slept until woken
  std::uint64_t naps = 0;      // times a worker slept for a short while to look again
  std::uint64_t wakes = 0;     // times a sleeping worker was woken by somebody

  // Of the side pool, at this moment.
  std::uint64_t blocking_threads = 0;      // there are
  std::uint64_t blocking_running = 0;      // calls that are being made
  std::uint64_t blocking_queued = 0;       // calls that wait for a thread
  std::chrono::nanoseconds queue_wait{0};  // how long what is queued waits now, at the worker where it is longest
};

}  // namespace martlet
