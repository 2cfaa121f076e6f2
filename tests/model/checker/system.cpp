#include <cstddef>
#include <cstdint>

#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/tasklet/held_locks.hpp>

#include "execution.hpp"

// What the product asks of the system, in a program that the checker explores: time passes where all wait for it, no lock of the
// system's is held, and a thread that sleeps on a futex goes on when somebody wakes it, or at its deadline.
namespace martlet::base {

instant system_now() noexcept { return model::execution::current().time(); }
instant now() noexcept { return model::execution::current().time(); }
std::uint64_t cycles_per_microsecond() noexcept { return 1000; }

namespace {

// How often somebody was woken is a location of its own, in the middle of the word. A change of any order looks at the
// newest value and orders nothing else.
const void* wakes_of(const futex_word& word) noexcept { return reinterpret_cast<const std::byte*>(&word) + 1; }

std::uint64_t change_wakes(const futex_word& word, std::uint64_t by) noexcept {
  return model::execution::current().exchange(
      wakes_of(word), 0, [by](std::uint64_t old) { return old + by; }, relaxed, model::site::here());
}

}  // namespace

bool futex_wait(const futex_word& word, std::uint32_t expected, instant deadline) noexcept {
  change_wakes(word, 0);
  if (const_cast<futex_word&>(word).fetch_add(0U, relaxed) != expected) {
    return true;
  }
  return model::execution::current().sleep(wakes_of(word), deadline, model::site::here());
}

void refuse_endless_sleep() {}

void futex_wake(const futex_word& word, int) noexcept { change_wakes(word, 1); }

}  // namespace martlet::base

namespace martlet::detail {

void refuse_held_locks(const host&) noexcept {}

}  // namespace martlet::detail
