#include <martlet/base/futex.hpp>

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <martlet/base/virtual_time.hpp>

namespace martlet::base {

bool futex_wait(const futex_word& word, std::uint32_t expected, instant deadline) noexcept {
  if (virtual_time* here = virtual_time::here(); here != nullptr) [[unlikely]] {
    return here->sleep(word, expected, deadline);
  }
  timespec limit{};
  timespec* until = nullptr;
  if (deadline != never) {
    limit.tv_sec = static_cast<time_t>(deadline / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(deadline % 1'000'000'000);
    until = &limit;
  }
  // FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock, which FUTEX_WAIT does not.
  const long result =
      syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return !(result == -1 && errno == ETIMEDOUT);
}

void refuse_endless_sleep() {
  if (virtual_time* here = virtual_time::here(); here != nullptr) {
    here->refuse_endless_sleep();
  }
}

void futex_wake(const futex_word& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace martlet::base
