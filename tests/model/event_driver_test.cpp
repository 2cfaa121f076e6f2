#include <doctest/doctest.h>

#include <poll.h>

#include <martlet/base/clock.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "event_driver.hpp"
#include "listed.hpp"

// A guest's driver: whoever brings something tells it, and the event loop's thread looks when the eventfd can be read.

namespace base = martlet::base;
using martlet::detail::event_driver;
using namespace martlet::model;

namespace {

bool is_readable(const event_driver& driver) {
  pollfd one{.fd = driver.event_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, 0) == 1;
}

// What was brought is found by a look after the driver was told, or the loop is told again.
struct event_loop {
  void bring(base::atomic<bool>& what) {
    what.store(true, base::relaxed);
    driver.notify();
  }
  void look() {
    driver.wait(0);
    has_first = has_first || first.load(base::relaxed);
    has_second = has_second || second.load(base::relaxed);
  }
  void end() const { require((has_first && has_second) || is_readable(driver), "what is not found is told again"); }

  event_driver driver;
  base::atomic<bool> first{false};
  base::atomic<bool> second{false};
  bool has_first = false;
  bool has_second = false;
};

void told_by_two() {
  event_loop all;
  run_threads({{"looks", [&] { all.look(); }}, {"brings", [&] { all.bring(all.first); }}, {"brings too", [&] {
                                                                                             all.bring(all.second);
                                                                                           }}});
  all.end();
}

void told_by_one_twice() {
  event_loop all;
  run_threads({{"looks",
                [&] {
                  all.look();
                  all.look();
                }},
               {"brings", [&] {
                  all.bring(all.first);
                  all.bring(all.second);
                }}});
  all.end();
}

}  // namespace

TEST_SUITE("event driver") {
  TEST_CASE("nothing that was brought is left without a word") {
    check({
        {"one that looks, two that bring", told_by_two, 14},
        {"one that looks twice, one that brings twice", told_by_one_twice, 22},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({told_by_two, told_by_one_twice}, {"[event.notify]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
