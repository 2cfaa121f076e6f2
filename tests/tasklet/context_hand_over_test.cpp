// A flow that hands its thread on to another flow.
#include <martlet/tasklet/context.hpp>

#include <cfenv>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/base/atomic.hpp>

#include "flow.hpp"

namespace {

using namespace martlet::detail;
using namespace martlet::testing;
namespace base = martlet::base;

void nothing(void*) {}

TEST_SUITE("context") {
  TEST_CASE_TEMPLATE("a flow hands the thread on, and the thread goes on where the last one suspends", Context,
                     MARTLET_TEST_BACKENDS) {
    std::string seen;
    flow<Context>* to = nullptr;
    flow<Context> first([&](auto& self) {
      seen += 'b';
      self.hand_over(*to, [](void* text) { *static_cast<std::string*>(text) += "-left-"; }, &seen);
      seen += 'e';
    });
    flow<Context> second([&](auto& self) {  // has not run yet when it is entered
      seen += 'c';
      self.suspend();
      seen += 'f';
    });
    to = &second;
    seen += 'a';
    first.resume();
    seen += 'd';
    CHECK(!first.is_finished());
    first.resume();
    CHECK(first.is_finished());
    second.resume();
    CHECK(second.is_finished());
    CHECK(seen == "ab-left-cdef");
  }

  TEST_CASE_TEMPLATE("values survive a hundred thousand hand-overs in a ring", Context, MARTLET_TEST_BACKENDS) {
    constexpr int rounds = 100'000;
    std::vector<std::unique_ptr<flow<Context>>> ring;
    std::vector<std::uint64_t> sums(3);
    int left = 0;
    for (std::size_t who = 0; who < 3; ++who) {
      ring.push_back(std::make_unique<flow<Context>>([&, who](auto& self) {
        std::uint64_t a = who, b = 2, c = 3, d = 4, e = 5, g = 6;
        double x = 0.5;
        for (int i = 0; i < rounds; ++i) {
          a += 1, b += a, c ^= b, d += c, e ^= d, g += e, x += 1;
          self.hand_over(*ring[(who + 1) % 3], [](void* count) { ++*static_cast<int*>(count); }, &left);
        }
        sums[who] = a + b + c + d + e + g + static_cast<std::uint64_t>(x);
        self.suspend();
      }));
    }
    ring[0]->resume();
    CHECK(left == 3 * rounds);
    ring[1]->resume();
    ring[2]->resume();
    for (std::size_t who = 0; who < 3; ++who) {
      std::uint64_t a = who, b = 2, c = 3, d = 4, e = 5, g = 6;
      for (int i = 0; i < rounds; ++i) {
        a += 1, b += a, c ^= b, d += c, e ^= d, g += e;
      }
      CHECK(sums[who] == a + b + c + d + e + g + rounds);
      ring[who]->resume();
      CHECK(ring[who]->is_finished());
    }
  }

  TEST_CASE_TEMPLATE("what follows a hand-over may give the flow to another thread at once", Context,
                     MARTLET_TEST_BACKENDS) {
    constexpr int rounds = 2000;
    base::atomic<flow<Context>*> given{nullptr};
    base::atomic<bool> is_over{false};
    flow<Context>* partner = nullptr;  // of the thread that runs the wanderer
    struct gift {
      base::atomic<flow<Context>*>& to;
      flow<Context>* what;
    };
    flow<Context> wanderer([&](auto& self) {
      for (int i = 0; i < rounds; ++i) {
        gift me{given, &self};
        self.hand_over(
            *partner,
            [](void* it) {
              auto* one = static_cast<gift*>(it);
              one->to.store(one->what, base::release);
            },
            &me);
      }
      is_over.store(true, base::release);
    });
    given.store(&wanderer, base::relaxed);
    const auto work = [&] {
      flow<Context> mine([&](auto& self) {
        while (!is_over.load(base::acquire)) {
          self.suspend();
        }
      });
      while (!is_over.load(base::acquire)) {
        if (auto* one = given.exchange(nullptr, base::acquire); one != nullptr) {
          partner = &mine;
          one->resume();  // comes back from the partner, while the other thread may run the wanderer already
        } else {
          std::this_thread::yield();
        }
      }
      if (!mine.is_finished()) {  // it is when it was entered last of all, and saw the end there
        mine.resume();
      }
      CHECK(mine.is_finished());
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(wanderer.is_finished());
  }

  TEST_CASE_TEMPLATE("exceptions stay with their flow over a hand-over", Context, MARTLET_TEST_BACKENDS) {
    flow<Context>* to = nullptr;
    flow<Context> first([&](auto& self) {
      try {
        throw std::runtime_error("first");
      } catch (const std::runtime_error& caught) {
        self.hand_over(*to, nothing, nullptr);
        CHECK(std::string(caught.what()) == "first");
        self.hand_over(*to, nothing, nullptr);
        try {
          throw;
        } catch (const std::runtime_error& again) {
          CHECK(std::string(again.what()) == "first");
        }
      }
      CHECK(std::current_exception() == nullptr);
    });
    flow<Context> second([&](auto& self) {
      CHECK(std::current_exception() == nullptr);
      CHECK(std::uncaught_exceptions() == 0);
      try {
        throw 2;
      } catch (int caught) {
        self.hand_over(first, nothing, nullptr);
        CHECK(caught == 2);
        self.suspend();
        CHECK(caught == 2);
      }
      CHECK(std::current_exception() == nullptr);
    });
    to = &second;
    try {
      throw 'c';
    } catch (char caught) {
      first.resume();  // back from the second, which is inside its catch
      CHECK(caught == 'c');
      CHECK(std::current_exception() != nullptr);
      second.resume();
      CHECK(second.is_finished());
    }
    std::thread([&] { first.resume(); }).join();
    CHECK(first.is_finished());
    CHECK(std::current_exception() == nullptr);
  }

  TEST_CASE_TEMPLATE("the rounding mode stays with its flow over a hand-over", Context, MARTLET_TEST_BACKENDS) {
    flow<Context>* to = nullptr;
    flow<Context> first([&](auto& self) {
      std::fesetround(FE_UPWARD);
      self.hand_over(*to, nothing, nullptr);
      CHECK(std::fegetround() == FE_UPWARD);
      self.hand_over(*to, nothing, nullptr);
      CHECK(std::fegetround() == FE_UPWARD);
    });
    flow<Context> second([&](auto& self) {
      CHECK(std::fegetround() == FE_TONEAREST);
      std::fesetround(FE_DOWNWARD);
      self.hand_over(first, nothing, nullptr);
      CHECK(std::fegetround() == FE_DOWNWARD);
    });
    to = &second;
    first.resume();
    CHECK(second.is_finished());
    CHECK(std::fegetround() == FE_TONEAREST);
    first.resume();
    CHECK(first.is_finished());
    CHECK(std::fegetround() == FE_TONEAREST);
  }
}

}  // namespace
