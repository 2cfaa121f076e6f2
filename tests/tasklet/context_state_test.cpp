#include <martlet/tasklet/context.hpp>

#include <cfenv>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "flow.hpp"

namespace {

using namespace martlet::detail;
using namespace martlet::testing;

/// Suspends in its destructor, which unwinding runs.
template <class Context>
struct suspends_when_destroyed {
  flow<Context>& self;

  ~suspends_when_destroyed() {
    CHECK(std::uncaught_exceptions() == 1);
    self.suspend();
    CHECK(std::uncaught_exceptions() == 1);
    try {
      throw 7;
    } catch (int caught) {
      self.suspend();
      CHECK(caught == 7);
    }
  }
};

TEST_SUITE("context") {
  TEST_CASE_TEMPLATE("exceptions follow the flow, in catch and during unwinding", Context, MARTLET_TEST_BACKENDS) {
    flow<Context> f([](auto& self) {
      try {
        try {
          throw std::runtime_error("one");
        } catch (const std::exception&) {
          self.suspend();
          CHECK(std::current_exception() != nullptr);
          try {
            throw std::logic_error("two");
          } catch (...) {
            self.suspend();
            try {
              self.suspend();
              throw;
            } catch (const std::logic_error& caught) {
              self.suspend();
              CHECK(std::strcmp(caught.what(), "two") == 0);
            }
          }
          self.suspend();
          throw;
        }
      } catch (const std::runtime_error& caught) {
        CHECK(std::strcmp(caught.what(), "one") == 0);
        self.suspend();
        const std::exception_ptr kept = std::current_exception();
        self.suspend();
        try {
          std::rethrow_exception(kept);
        } catch (const std::runtime_error&) {
          self.suspend();
        }
      }
      try {
        const suspends_when_destroyed<Context> guard{self};
        throw 5;
      } catch (int caught) {
        CHECK(caught == 5);
        self.suspend();
      }
      CHECK(std::uncaught_exceptions() == 0);
      CHECK(std::current_exception() == nullptr);
    });
    // Every other thread is itself inside a catch, and keeps what it caught.
    int resumed = 0;
    for (; !f.is_finished(); ++resumed) {
      std::thread([&] {
        if (resumed % 2 == 0) {
          f.resume();
        } else {
          try {
            throw 99;
          } catch (int caught) {
            f.resume();
            CHECK(caught == 99);
            CHECK(std::current_exception() != nullptr);
          }
        }
        CHECK(std::uncaught_exceptions() == 0);
        CHECK(std::current_exception() == nullptr);
      }).join();
    }
    CHECK(resumed == 12);
  }

  TEST_CASE_TEMPLATE("a thread that unwinds can run a flow that does not", Context, MARTLET_TEST_BACKENDS) {
    struct resumes_when_destroyed {
      flow<Context>& f;
      ~resumes_when_destroyed() {
        f.resume();
        CHECK(std::uncaught_exceptions() == 1);
      }
    };
    int inside = -1;
    flow<Context> f([&](auto&) { inside = std::uncaught_exceptions(); });
    CHECK_THROWS_AS(
        [&] {
          const resumes_when_destroyed guard{f};
          throw std::runtime_error("on the thread");
        }(),
        std::runtime_error);
    CHECK(inside == 0);
  }

  TEST_CASE_TEMPLATE("the rounding mode belongs to the flow", Context, MARTLET_TEST_BACKENDS) {
    int at_start = -1;
    int after = -1;
    flow<Context> f([&](auto& self) {
      at_start = std::fegetround();
      std::fesetround(FE_UPWARD);
      self.suspend();
      after = std::fegetround();
      volatile double one = 1, three = 3;
      volatile long double long_one = 1, long_three = 3;
      const volatile double third = one / three;
      const volatile long double long_third = long_one / long_three;
      CHECK(third * 3.0L > 1.0L);
      std::fesetround(FE_DOWNWARD);
      const volatile long double lower = long_one / long_three;
      CHECK(lower < long_third);
    });
    std::fesetround(FE_TOWARDZERO);
    flow<Context> heir([&](auto&) { CHECK(std::fegetround() == FE_TOWARDZERO); });
    std::fesetround(FE_TONEAREST);
    f.resume();
    CHECK(std::fegetround() == FE_TONEAREST);
    f.resume_elsewhere();
    CHECK(f.is_finished());
    CHECK(at_start == FE_TONEAREST);
    CHECK(after == FE_UPWARD);
    heir.resume();
    CHECK(heir.is_finished());
    CHECK(std::fegetround() == FE_TONEAREST);
  }
}

}  // namespace
