// The same work on more and more workers: what an operation takes, and what it costs in processor time of all of them.
#include <cstdint>
#include <string>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "point.hpp"

namespace {

using martlet::channel;
using martlet::task;

// Tasks that do a little: some 1.6 us, each step needing the one before.
constexpr long tasks = 65'536;
constexpr int steps = 1200;

std::uint64_t compute(std::uint64_t value) {
  for (int i = 0; i < steps; ++i) {
    value = value * 6364136223846793005U + 1442695040888963407U;
  }
  return value;
}

task<std::uint64_t> compute_all(long first, long many) {
  if (many == 1) {
    co_return compute(static_cast<std::uint64_t>(first));
  }
  auto left = martlet::spawn(compute_all(first, many / 2));
  const std::uint64_t right = co_await compute_all(first + many / 2, many / 2);
  co_return right + co_await left.join();
}

std::uint64_t computed_in_turn() {
  std::uint64_t sum = 0;
  for (long i = 0; i < tasks; ++i) {
    sum += compute(static_cast<std::uint64_t>(i));
  }
  return sum;
}

// Tasks that do nothing but spawn ten others and join them.
constexpr long leaves = 1'000'000;
constexpr long nodes = 1'111'111;

task<long> count_nodes(long below) {
  if (below == 1) {
    co_return 1;
  }
  std::vector<martlet::handle<long>> children(10);
  for (auto& child : children) {
    child = martlet::spawn(count_nodes(below / 10));
  }
  long sum = 1;
  for (auto& child : children) {
    sum += co_await child.join();
  }
  co_return sum;
}

// Pairs that wait for each other all the time, and for nobody else.
constexpr long pairs = 64;
constexpr long rounds = 8'192;  // of each

task<> answer(channel<long>& requests, channel<long>& replies) {
  while (auto value = co_await requests.receive()) {
    co_await replies.send(*value + 1);
  }
}

task<long> play() {
  channel<long> requests;
  channel<long> replies;
  auto other = martlet::spawn(answer(requests, replies));
  long value = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await requests.send(value);
    value = *co_await replies.receive();
  }
  requests.close();
  co_await other.join();
  co_return value;
}

task<long> play_all() {
  std::vector<martlet::handle<long>> all(pairs);
  for (auto& one : all) {
    one = martlet::spawn(play());
  }
  long sum = 0;
  for (auto& one : all) {
    sum += co_await one.join();
  }
  co_return sum;
}

// Does the work twice and prints the figures of the second time.
template <class Work, class Result>
void report(martlet::scheduler& pool, const std::string& name, long operations, Work work, Result right) {
  double ns = 0;
  double cpu = 0;
  for (int pass = 0; pass < 2; ++pass) {
    const double before = martlet::bench::cpu_seconds();
    const martlet::bench::stopwatch watch;
    martlet::bench::require(pool.block_on(work()) == right, "all of the work was done");
    ns = watch.ns();
    cpu = martlet::bench::cpu_seconds() - before;
  }
  martlet::bench::print_figure((name + "_ns").c_str(), ns / static_cast<double>(operations));
  martlet::bench::print_figure((name + "_cpu_ns").c_str(), 1e9 * cpu / static_cast<double>(operations));
}

}  // namespace

// What grows are the workers, so the size is their number again.
int main(int count, char** arguments) {
  const auto asked = martlet::bench::point_of(count, arguments);
  martlet::scheduler pool(asked.workers);
  report(pool, "fork_join", tasks, [] { return compute_all(0, tasks); }, computed_in_turn());
  report(pool, "tree", nodes, [] { return count_nodes(leaves); }, nodes);
  report(pool, "ping_pong", pairs * rounds, [] { return play_all(); }, pairs * rounds);
}
