// So many channels, each with a sender and a receiver of its own: what a message takes, with and without a buffer.
#include <algorithm>
#include <deque>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "point.hpp"

namespace {

using martlet::channel;
using martlet::task;

constexpr long messages = 2'000'000;  // over all channels
constexpr std::size_t places = 64;

task<> send_all(channel<long>& gate, channel<long>& to, long many) {
  co_await gate.receive();
  for (long i = 0; i < many; ++i) {
    co_await to.send(i);
  }
  to.close();
}

task<long> add_up(channel<long>& from) {
  long sum = 0;
  while (auto value = co_await from.receive()) {
    sum += *value;
  }
  co_return sum;
}

// Returns the nanoseconds from the moment when all are there to the end.
task<double> transfer(long channels, std::size_t capacity, long each) {
  channel<long> gate;
  std::deque<channel<long>> all;
  std::vector<martlet::handle<>> sending;
  std::vector<martlet::handle<long>> receiving;
  for (long i = 0; i < channels; ++i) {
    auto& through = all.emplace_back(capacity);
    sending.push_back(martlet::spawn(send_all(gate, through, each)));
    receiving.push_back(martlet::spawn(add_up(through)));
  }
  while (gate.balance() != -channels) {
    co_await martlet::yield();
  }
  const martlet::bench::stopwatch watch;
  gate.close();
  long sum = 0;
  for (auto& one : receiving) {
    sum += co_await one.join();
  }
  const double took = watch.ns();
  for (auto& one : sending) {
    co_await one.join();
  }
  martlet::bench::require(sum == channels * (each * (each - 1) / 2), "all messages came");
  co_return took;
}

}  // namespace

int main(int count, char** arguments) {
  const auto [workers, channels] = martlet::bench::point_of(count, arguments);
  martlet::scheduler pool(workers);
  const long each = std::max(1L, messages / channels);
  for (const std::size_t capacity : {std::size_t{0}, places}) {
    pool.block_on(transfer(channels, capacity, each));  // warm the second time
    const double ns = pool.block_on(transfer(channels, capacity, each)) / static_cast<double>(each * channels);
    martlet::bench::print_figure(capacity == 0 ? "meeting_ns" : "buffered_ns", ns);
  }
}
