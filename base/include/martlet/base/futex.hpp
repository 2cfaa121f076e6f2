#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>

/// The one door to sleeping threads.
namespace martlet::base {

using futex_word = atomic<std::uint32_t>;

/// Sleeps while `word` holds `expected`, until it is woken or `deadline` passes; may also return for no reason.
///
/// Returns   false when the deadline passed; in a simulation also when nothing will ever wake the thread.
/// Cost      a system call; a sleeper runs again 20-37 us after it was woken.
/// Source    Franke, Russell, Kirkwood: Fuss, futexes and furwocks. Ottawa Linux Symposium 2002.
bool futex_wait(const futex_word& word, std::uint32_t expected, instant deadline = never) noexcept;

/// Throws what a simulation says when nothing will ever wake its thread; returns where time is the system's.
void refuse_endless_sleep();

/// Wakes up to `count` sleepers.
///
/// Cost      a system call; about 11 us when somebody sleeps.
void futex_wake(const futex_word& word, int count = 1) noexcept;

}  // namespace martlet::base
