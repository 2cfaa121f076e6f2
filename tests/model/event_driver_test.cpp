#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

#include <sys/syscall.h>
#include <unistd.h>

#include <martlet/base/atomic.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "event_driver.hpp"
#include "listed.hpp"

// A guest's driver: whoever brings something tells it, and the event loop's thread looks when the eventfd can be read.

namespace base = martlet::base;
using martlet::detail::event_driver;
using namespace martlet::model;

namespace {

// What the eventfd counts: a location of the model, so that others come between what is said and its write. The system orders
// what was done before a write for who reads it; nothing here relies on that.
constexpr int eventfd_number = 1'000'000;
constinit base::atomic<std::uint64_t> written{0};

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
  void end() const {
    require((has_first && has_second) || written.load(base::relaxed) != 0, "what is not found is told again");
  }

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

// These stand in for the system's; other descriptors are the system's own.
extern "C" int eventfd(unsigned, int) { return eventfd_number; }
extern "C" ssize_t read(int fd, void* into, std::size_t size) {
  if (fd != eventfd_number) {
    return ::syscall(SYS_read, fd, into, size);
  }
  return written.exchange(0, base::relaxed) != 0 ? static_cast<ssize_t>(size) : -1;
}
extern "C" ssize_t write(int fd, const void* from, std::size_t size) {
  if (fd != eventfd_number) {
    return ::syscall(SYS_write, fd, from, size);
  }
  written.fetch_add(1, base::relaxed);
  return static_cast<ssize_t>(size);
}
extern "C" int close(int fd) { return fd == eventfd_number ? 0 : static_cast<int>(::syscall(SYS_close, fd)); }

TEST_SUITE("event driver") {
  TEST_CASE("nothing that was brought is left without a word") {
    check({
        {"one that looks, two that bring", told_by_two, 24},
        {"one that looks twice, one that brings twice", told_by_one_twice, 41},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({told_by_two, told_by_one_twice}, {"[event.notify]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
