// Messages through one channel, whose 4,096 places are one less in use, between so many senders and receivers.
#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long messages = 1'000'000;

using channel = fibers::buffered_channel<long>;

void send(channel& to, long first, long last) {
  for (long i = first; i < last; ++i) {
    to.push(i);
  }
}

void receive(channel& from, std::atomic<long>& sum) {
  long mine = 0;
  for (const long value : from) {
    mine += value;
  }
  sum += mine;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, messages, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    const long senders = what.variant[0] - '0';
    const long receivers = what.variant[2] - '0';
    channel between(4096);
    std::atomic<long> sum = 0;
    std::vector<fibers::fiber> sending;
    std::vector<fibers::fiber> receiving;
    for (long i = 0; i < senders; ++i) {
      sending.emplace_back(send, std::ref(between), i * messages / senders, (i + 1) * messages / senders);
    }
    for (long i = 0; i < receivers; ++i) {
      receiving.emplace_back(receive, std::ref(between), std::ref(sum));
    }
    for (fibers::fiber& each : sending) {
      each.join();
    }
    between.close();
    for (fibers::fiber& each : receiving) {
      each.join();
    }
    return sum == messages * (messages - 1) / 2;
  });
}
