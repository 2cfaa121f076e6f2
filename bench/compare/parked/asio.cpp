// Coroutines that wait, each for a value from one channel.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr std::size_t tasks = 1'000'000;

struct state {
  std::atomic<std::size_t> started = 0;
  std::atomic<std::size_t> ended = 0;
  std::atomic<long> sum = 0;
};

struct result {
  double bytes;
  double create;
  double wake;
};

double since(std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / static_cast<double>(tasks);
}

template <class Channel>
task<> wait(Channel& numbers, state& all) {
  ++all.started;
  all.sum += co_await numbers.async_receive(asio::deferred);
  ++all.ended;
}

template <class Channel>
task<result> parent(Channel& numbers, state& all) {
  const auto executor = co_await asio::this_coro::executor;
  const double before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < tasks; ++i) {
    asio::co_spawn(executor, wait(numbers, all), asio::detached);
  }
  while (all.started != tasks) {
    co_await asio::post(asio::deferred);
  }
  const double create = since(start);
  const double bytes = (resident_bytes() - before) / static_cast<double>(tasks);
  const auto woken = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < tasks; ++i) {
    const long number = static_cast<long>(i);
    if (!numbers.try_send(boost::system::error_code{}, number)) {
      co_await numbers.async_send(boost::system::error_code{}, number, asio::deferred);
    }
  }
  while (all.ended != tasks) {
    co_await asio::post(asio::deferred);
  }
  co_return result{bytes, create, since(woken)};
}

template <class Channel>
std::vector<figure> park(asked what, double& bytes) {
  asio::io_context context(what.threads);
  Channel numbers(context.get_executor());
  state all;
  auto done = asio::co_spawn(context, parent(numbers, all), asio::use_future);
  run(context, what.threads);
  const result took = done.get();
  if (all.sum != static_cast<long>(tasks * (tasks - 1) / 2)) {
    return {};
  }
  bytes = bytes == 0 ? took.bytes : bytes;
  return {{"bytes", bytes}, {"create_ns", took.create}, {"wake_ns", took.wake}};
}

}  // namespace

int main(int count, char** arguments) {
  double bytes = 0;  // of the first pass, whose memory the second one uses again
  return report_figures(count, arguments, [&](asked what) {
    return what.threads == 1 ? park<for_one_thread>(what, bytes) : park<for_all>(what, bytes);
  });
}
