// The bare futex: a busy thread stamps the time and wakes a thread that sleeps in the kernel.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../support.hpp"

namespace {

constexpr std::uint32_t messages = 500;

using clock_type = std::chrono::steady_clock;

struct mailbox {
  std::atomic<std::uint32_t> sent = 0;
  std::atomic<std::uint32_t> received = 0;
  clock_type::time_point stamp;
};

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

/// Spins until 2 ms after each message was received, then sends the next one.
void send(mailbox& box) {
  for (std::uint32_t i = 0; i < messages; ++i) {
    while (box.received != i) {}
    const auto due = clock_type::now() + std::chrono::milliseconds(2);
    while (clock_type::now() < due) {}
    box.stamp = clock_type::now();
    box.sent = i + 1;
    futex(box.sent, FUTEX_WAKE, 1);
  }
}

}  // namespace

int main(int count, char** arguments) {
  return report_figures(count, arguments, [](asked) -> std::vector<figure> {
    mailbox box;
    std::vector<double> took;
    std::jthread sending(send, std::ref(box));
    for (std::uint32_t i = 0; i < messages; ++i) {
      while (box.sent == i) {
        futex(box.sent, FUTEX_WAIT, i);
      }
      took.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - box.stamp).count());
      ++box.received;
    }
    return {{"p50_us", quantile(took, 0.5)}, {"p99_us", quantile(took, 0.99)}};
  });
}
