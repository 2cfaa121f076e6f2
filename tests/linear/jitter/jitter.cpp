#include "jitter.hpp"

#include <atomic>
#include <ctime>

#include <sched.h>

#include <martlet/base/atomic.hpp>

namespace martlet::testing {
namespace {

constexpr std::uint64_t one_in = 8;  // operations, one has a pause before it

// Atomics without jitter.
constinit std::atomic<std::uint64_t> seed_now{0};
constinit std::atomic<std::uint64_t> threads{0};

struct thread_state {
  std::uint64_t number = 0;  // of the thread, from 1
  std::uint64_t seed = 0;    // from which `next` was begun
  std::uint64_t next = 0;
};
constinit thread_local thread_state self;

// SplitMix64: Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

}  // namespace

jitter::jitter(std::uint64_t seed) noexcept { seed_now.store(seed, std::memory_order_relaxed); }
jitter::~jitter() { seed_now.store(0, std::memory_order_relaxed); }

// Not inlined: a fiber that goes on on another thread must not keep the address of what was another thread's.
[[gnu::noinline]] void jitter::point() noexcept {
  const std::uint64_t seed = seed_now.load(std::memory_order_relaxed);
  if (seed == 0) {
    return;
  }
  thread_state& own = self;
  if (own.seed != seed) {
    if (own.number == 0) {
      own.number = threads.fetch_add(1, std::memory_order_relaxed) + 1;
    }
    own.seed = seed;
    own.next = mixed(seed) + own.number;
  }
  const std::uint64_t drawn = mixed(++own.next);
  if (drawn % one_in != 0) {
    return;
  }
  const auto kind = static_cast<unsigned>(drawn >> 32U) % 64U;
  if (kind == 0) {
    const timespec shortest{.tv_sec = 0, .tv_nsec = 1000};  // some 50 us
    ::nanosleep(&shortest, nullptr);
  } else if (kind < 16) {
    ::sched_yield();
  } else {
    for (auto turns = static_cast<unsigned>(drawn >> 40U) % 512U; turns != 0; --turns) {
      base::cpu_pause();
    }
  }
}

}  // namespace martlet::testing
