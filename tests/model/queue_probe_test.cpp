#include <doctest/doctest.h>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "explored_pool.hpp"
#include "listed.hpp"

// What measures how long a queue's items wait: sent by whoever owns the queue, run by whoever takes it out, sent again.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// Its record is used by whoever has it, so two that have it race.
struct journey {
  // Sends it off, if it is back.
  void send() {
    detail::tasklet* const away = probe.send(pool.at(0));
    if (away != nullptr) {
      record.set(record.get() + 1);
      queue.store(away, base::release);
    }
  }
  // Runs it, if it is there.
  void run(detail::worker& here) {
    base::set_current(static_cast<detail::host*>(&here));
    if (detail::tasklet* const arrived = queue.load(base::acquire); arrived != nullptr) {
      record.set(record.get() + 1);
      arrived->resume();
    }
  }

  detail::explored_pool pool{2};
  detail::queue_probe probe;
  base::atomic<detail::tasklet*> queue{nullptr};
  var<int> record{0};
};

void sent_twice() {
  journey all;
  run_threads({{"owns",
                [&] {
                  all.send();
                  all.send();
                }},
               {"takes", [&] { all.run(all.pool.at(1)); }}});
}

}  // namespace

TEST_SUITE("queue probe") {
  TEST_CASE("it is in one queue at a time") { check({{"one that sends it twice, one that runs it", sent_twice, 3}}); }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({sent_twice}, {"[probe.back]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
