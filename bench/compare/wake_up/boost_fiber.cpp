// A busy thread sends messages to a fiber all whose threads sleep by then.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <thread>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr std::size_t messages = 500;

using clock_type = std::chrono::steady_clock;

/// Spins until 2 ms after each message was received, then sends the next one.
void send(fibers::buffered_channel<clock_type::time_point>& to, const std::atomic<std::size_t>& received) {
  for (std::size_t i = 0; i < messages; ++i) {
    while (received != i) {}
    const auto due = clock_type::now() + std::chrono::milliseconds(2);
    while (clock_type::now() < due) {}
    to.push(clock_type::now());
  }
  to.close();
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    if (!workers) {
      workers.emplace(what.threads, true);
    }
    fibers::buffered_channel<clock_type::time_point> between(2);
    std::atomic<std::size_t> received = 0;
    std::vector<double> took;
    fibers::fiber receiving([&] {
      for (const auto stamp : between) {
        took.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - stamp).count());
        ++received;
      }
    });
    std::jthread sending(send, std::ref(between), std::cref(received));
    receiving.join();
    if (took.size() != messages) {
      return {};
    }
    return {{"p50_us", quantile(took, 0.5)}, {"p99_us", quantile(took, 0.99)}};
  });
}
