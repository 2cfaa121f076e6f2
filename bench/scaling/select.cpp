// A receiver that waits for so many channels at once, from a sender that uses them in turn: what a message takes.
#include <array>
#include <cstdio>
#include <utility>
#include <variant>

#include <martlet/channel.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/scheduler.hpp>

#include "point.hpp"

namespace {

using martlet::channel;
using martlet::task;

constexpr long messages = 100'000;

template <std::size_t Many>
task<> send_all(std::array<channel<long>, Many>& to) {
  for (long i = 0; i < messages; ++i) {
    co_await to[static_cast<std::size_t>(i) % Many].send(i);
  }
}

template <std::size_t Many, std::size_t... Which>
task<long> add_up(std::array<channel<long>, Many>& from, std::index_sequence<Which...>) {
  long sum = 0;
  for (long i = 0; i < messages; ++i) {
    const auto got = co_await martlet::select(from[Which].receive()...);
    sum += std::visit([](const auto& value) { return *value; }, got);
  }
  co_return sum;
}

template <std::size_t Many>
double transfer(martlet::scheduler& pool) {
  std::array<channel<long>, Many> all;
  const martlet::bench::stopwatch watch;
  auto sending = pool.spawn(send_all(all));
  const long sum = pool.block_on(add_up(all, std::make_index_sequence<Many>()));
  const double took = watch.ns();
  pool.block_on(std::move(sending));
  martlet::bench::require(sum == messages * (messages - 1) / 2, "all messages came");
  return took;
}

// A select is written out, so each size is a program of its own.
template <std::size_t... Many>
bool report(martlet::scheduler& pool, long asked) {
  const auto report_one = [&]<std::size_t One>() {
    transfer<One>(pool);  // warm the second time
    martlet::bench::print_figure("select_ns", transfer<One>(pool) / messages);
    return true;
  };
  return ((asked == Many && report_one.template operator()<Many>()) || ...);
}

}  // namespace

int main(int count, char** arguments) {
  const auto [workers, channels] = martlet::bench::point_of(count, arguments);
  martlet::scheduler pool(workers);
  if (!report<2, 4, 8, 16, 32, 64>(pool, channels)) {
    std::fprintf(stderr, "%s: a select of %ld is not among those that are compiled: 2, 4, 8 ... 64\n", arguments[0],
                 channels);
    return 2;
  }
}
