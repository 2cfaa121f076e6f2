// A thread that is none of the workers sends to a tasklet while all workers sleep.
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t messages = 500;
constexpr std::chrono::milliseconds quiet{2};

martlet::task<> receive(martlet::channel<clock_type::time_point>& sent, std::vector<double>& late_us,
                        std::atomic<std::size_t>& received) {
  while (auto when = co_await sent.receive()) {
    late_us.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - *when).count());
    received.store(late_us.size());
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    if (!pool) {
      pool.emplace(what.threads);
    }
    std::vector<double> late_us;
    std::atomic<std::size_t> received = 0;
    martlet::channel<clock_type::time_point> sent;
    auto receiving = pool->spawn(receive(sent, late_us, received));
    for (std::size_t i = 0; i < messages; ++i) {
      while (received != i) {}
      for (const auto from = clock_type::now(); clock_type::now() < from + quiet;) {}
      martlet::await(sent.send(clock_type::now()));
    }
    sent.close();
    pool->block_on(std::move(receiving));
    if (late_us.size() != messages) {
      return {};
    }
    return {{"p50_us", quantile(late_us, 0.5)}, {"p99_us", quantile(late_us, 0.99)}};
  });
}
