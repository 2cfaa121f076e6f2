#include <doctest/doctest.h>

#include <chrono>
#include <optional>

#include <martlet/channel/channel.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/scheduler/sleep.hpp>

#include "checker/explore.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"
#include "worker.hpp"

// A timer that fires against a cancel and against a wake-up. Time stands still here; who fires says that it has passed.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;
using namespace std::chrono_literals;

namespace {

struct place {
  crew all;
  base::atomic<std::uint32_t> nobody_idle{0};
  detail::worker its{all, nobody_idle, true, 0, false};

  void fire() { its.timers_->fire(base::now() + 2'000'000, nullptr); }
  void end() { require(its.timers_->next() == base::never, "no timer is left"); }
};

// Its timers are those of a worker.
struct timed_sleeper : sleeper {
  explicit timed_sleeper(place& at) : sleeper(at.all) { host_.store(&at.its, base::relaxed); }
};

enum class ended { in_time, closed, by_limit, cancelled };

ended sleep(sleeper& self) {
  try {
    wait(self, martlet::sleep_for(1ms));
    return ended::by_limit;
  } catch (const martlet::cancelled&) {
    return ended::cancelled;
  }
}

ended receive(sleeper& self, martlet::channel<int>& from) {
  try {
    const std::optional<int> got = wait(self, martlet::within(1ms, from.receive()));
    require(!got || *got == 1, "who receives gets what was sent");
    return got ? ended::in_time : ended::closed;
  } catch (const martlet::deadline_passed&) {
    return ended::by_limit;
  } catch (const martlet::cancelled&) {
    return ended::cancelled;
  }
}

// Whoever fires may come before the sleep begins.
void cancelled_or_fired() {
  place at;
  timed_sleeper self(at);
  run_threads({{"sleeps", [&] { sleep(self); }}, {"fires", [&] { at.fire(); }}, {"cancels", [&] {
                                                                                   detail::request_cancel(&self);
                                                                                 }}});
  self.end();
  at.end();
}

// Two who fire: the one that comes second leaves it to the first.
void fired_twice() {
  place at;
  timed_sleeper self(at);
  run_threads({{"sleeps", [&] { sleep(self); }},
               {"fires", [&] { at.fire(); }},
               {"fires too", [&] { at.fire(); }},
               {"cancels", [&] { detail::request_cancel(&self); }}});
  self.end();
  at.end();
}

void received_or_late() {
  place at;
  timed_sleeper self(at);
  martlet::channel<int> line;
  ended how = ended::cancelled;
  bool is_sent = false;
  run_threads({{"receives", [&] { how = receive(self, line); }},
               {"fires", [&] { at.fire(); }},
               {"sends", [&] {
                  int one = 1;
                  is_sent = line.try_send(one) == martlet::try_status::done;
                  line.close();
                }}});
  self.end();
  at.end();
  require(is_sent == (how == ended::in_time), "what was sent is received");
}

}  // namespace

TEST_SUITE("timer") {
  TEST_CASE("a sleep ends by its time or a cancel, and never by both") {
    check({
        {"one that sleeps, one that fires, a canceller", cancelled_or_fired, 221'957,
         martlet::testing::level::thorough},
        {"one that sleeps, two that fire, a canceller", fired_twice, 0},
    });
  }

  TEST_CASE("a wait with a limit is over by its limit or by what it waited for") {
    check({{"one that receives, one that fires, a sender", received_or_late, 0, martlet::testing::level::stress}});
  }
}
