#include <doctest/doctest.h>

#include <martlet/base/futex.hpp>
#include <martlet/tasklet/host.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "descriptor.hpp"
#include "epoll_set.hpp"
#include "listed.hpp"
#include "reactor.hpp"
#include "sleeper.hpp"

// A worker that sleeps on its epoll, against who tells it of something, and a neighbour that looks at its sockets meanwhile.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

// A set that is only interrupted: each interrupt is told to one of those who harvest, who then knows what was done before it. So
// do the system's locks see to it.
namespace martlet::detail {
namespace {

constinit base::futex_word interrupts{0};

}  // namespace

epoll_set::epoll_set(bool is_of_worker) : is_of_worker_(is_of_worker) {}
epoll_set::~epoll_set() { static_cast<void>(interrupts_); }  // which clang would miss a use of
epoll_set* epoll_set::of_this_thread() noexcept { return nullptr; }
int epoll_set::add(int, std::uint64_t) noexcept { return 0; }
void epoll_set::remove(int) noexcept {}

// Nobody waits at a socket.
descriptor_pool& descriptors() noexcept {
  static descriptor_pool none;
  return none;
}
void descriptor::move_home(epoll_set&, epoll_set&) noexcept {}

bool epoll_set::harvest(base::instant deadline) noexcept {
  while (interrupts.exchange(0, base::acquire) == 0) {
    if (deadline == 0 || !base::futex_wait(interrupts, 0, deadline)) {
      return false;
    }
  }
  return true;
}

void epoll_set::interrupt() noexcept {
  interrupts.fetch_or(1, base::acq_rel);
  base::futex_wake(interrupts);
}

}  // namespace martlet::detail

namespace {

// Something is brought, and its worker is told.
struct worker {
  void bring(base::atomic<bool>& what) {
    what.store(true, base::relaxed);
    driver.notify();
  }
  // Sleeps until all is there. Who is not told of it sleeps for ever.
  void wait_for(std::initializer_list<base::atomic<bool>*> all) {
    base::set_current(&seat);
    for (const base::atomic<bool>* what : all) {
      while (!what->load(base::relaxed)) {
        driver.wait(base::never);
      }
    }
  }

  crew others;
  detail::host seat{&others};
  detail::reactor driver{seat};
  base::atomic<bool> first{false};
  base::atomic<bool> second{false};
};

void told_by_one() {
  worker all;
  run_threads({{"waits", [&] { all.wait_for({&all.first}); }}, {"brings", [&] { all.bring(all.first); }}});
}

void told_by_two() {
  worker all;
  run_threads({{"waits", [&] { all.wait_for({&all.first, &all.second}); }},
               {"brings", [&] { all.bring(all.first); }},
               {"brings too", [&] { all.bring(all.second); }}});
}

// It looks without sleeping first, as one does that has something to do.
void told_while_it_looks() {
  worker all;
  run_threads({{"waits",
                [&] {
                  base::set_current(&all.seat);
                  all.driver.poll();
                  all.wait_for({&all.first, &all.second});
                }},
               {"brings", [&] {
                  all.bring(all.first);
                  all.bring(all.second);
                }}});
}

void looked_after_by_a_neighbour() {
  worker all;
  run_threads({{"waits", [&] { all.wait_for({&all.first}); }},
               {"looks", [&] { all.driver.poll(); }},
               {"brings", [&] { all.bring(all.first); }}});
}

}  // namespace

TEST_SUITE("reactor") {
  TEST_CASE("who waits for sockets hears of all else that comes") {
    check({
        {"one that brings", told_by_one, 7},
        {"two that bring", told_by_two, 658},
        {"one that looks and waits, one that brings twice", told_while_it_looks, 299},
        {"one that brings, a neighbour that looks", looked_after_by_a_neighbour, 82},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({told_by_one, told_by_two, told_while_it_looks, looked_after_by_a_neighbour},
                            {"[reactor.notify]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
