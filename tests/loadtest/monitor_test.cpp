#include "monitor.hpp"

#include "recorder.hpp"

#include <doctest/doctest.h>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace {

using namespace martlet::loadtest;
using namespace std::chrono_literals;

scenario any_scenario(std::string_view model) {
  return parse_scenario(R"({"target": "http://localhost", "requests": [{"path": "/"}], "model": )" +
                            std::string(model) + "}",
                        "s.json");
}

scenario closed() { return any_scenario(R"({"kind": "closed", "users": 1, "iterations": 1})"); }

scenario constant_rate() {
  return any_scenario(
      R"({"kind": "constant_rate", "rate": 10, "duration": "1s", "max_in_flight": 1, "late_after": "1ms"})");
}

/// Counts a request every millisecond on a thread of its own, for a while.
class clockwork final : public engine {
 public:
  explicit clockwork(std::uint64_t requests) : requests_(requests), counts_(1) {}
  ~clockwork() override { stop(); }

  void start(std::function<void()> on_end) override {
    thread_ = std::jthread([this, on_end](const std::stop_token& stopped) {
      counts_.connected(1);
      for (std::uint64_t i = 0; i != requests_; ++i) {
        if (stopped.stop_requested()) {
          counts_.failed(0, failure::reset);  // what must not be seen
          return;
        }
        counts_.started(0);
        std::this_thread::sleep_for(1ms);
        counts_.answered(0, 200, true, 1'000, 1'000);
      }
      counts_.disconnected();
      on_end();
    });
  }
  void stop() override {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  void finish() override {
    thread_.join();
    if (error != nullptr) throw std::runtime_error(error);
  }
  tally counts() const override {
    tally sum;
    counts_.add_to(sum);
    return sum;
  }
  std::uint64_t open_connections() const override { return counts().open_connections(); }
  unsigned workers() const override { return 1; }

  const char* error = nullptr;

 private:
  std::uint64_t requests_;
  recorder counts_;
  std::jthread thread_;
};

}  // namespace

TEST_SUITE("monitor") {
  TEST_CASE("a run goes to its end and is measured") {
    stop_signals signals;
    clockwork engine(100);
    const auto results = watch(engine, closed(), signals, nullptr);
    CHECK(results.ended == outcome::passed);
    CHECK(results.counts.succeeded == 100);
    CHECK(results.counts.failed() == 0);
    CHECK(results.wall >= 100ms);
    CHECK(results.wall < 30s);
    CHECK(results.most_open == 1);
    CHECK(results.workers == 1);
    CHECK(results.peak_memory > 1'000'000);
  }

  TEST_CASE("a signal ends the run; what was counted until then is kept, and the ending itself is not counted") {
    for (const int signal : {SIGINT, SIGTERM}) {
      stop_signals signals;
      clockwork engine(1'000'000);
      std::jthread impatient([signal] {
        std::this_thread::sleep_for(120ms);
        ::kill(::getpid(), signal);
      });
      const auto results = watch(engine, closed(), signals, nullptr);
      CHECK(results.ended == outcome::aborted);
      CHECK(results.counts.succeeded > 0);
      CHECK(results.counts.succeeded < 100'000);
      CHECK(results.counts.failed() == 0);
    }
  }

  TEST_CASE("an error of the engine arrives") {
    stop_signals signals;
    clockwork engine(1);
    engine.error = "no worker";
    CHECK_THROWS_WITH(watch(engine, closed(), signals, nullptr), "no worker");
  }

  TEST_CASE("the live line comes once a second") {
    stop_signals signals;
    clockwork engine(2'500);
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* out = ::open_memstream(&text, &size);
    progress line(out, false);
    watch(engine, closed(), signals, &line);
    std::fclose(out);
    const std::string lines(text, size);
    std::free(text);
    CHECK(lines.starts_with("1 s: "));
    CHECK(lines.find("\n2 s: ") != std::string::npos);
    CHECK(std::count(lines.begin(), lines.end(), '\n') >= 2);
  }

  TEST_CASE("a generator that is late with more than 1% of a constant rate is saturated") {
    run_results results;
    results.counts.lateness.record(500'000, 990);
    results.counts.lateness.record(2'000'000, 10);
    judge_saturation(results, constant_rate());
    CHECK(results.ended == outcome::passed);
    CHECK(results.saturation.empty());

    results.counts.lateness.record(2'000'000, 40);
    judge_saturation(results, constant_rate());
    CHECK(results.ended == outcome::saturated);
    CHECK(results.saturation ==
          "the generator itself began 4.8% of the requests more than 1.000 ms late: these latencies are "
          "partly its own; give it more cores or less to do");
  }

  TEST_CASE("in a closed model lateness is a remark, and an aborted run stays aborted") {
    run_results results;
    results.counts.lateness.record(50'000'000, 100);
    judge_saturation(results, closed());
    CHECK(results.ended == outcome::passed);
    CHECK_FALSE(results.saturation.empty());
    results.ended = outcome::aborted;
    judge_saturation(results, constant_rate());
    CHECK(results.ended == outcome::aborted);
  }
}
