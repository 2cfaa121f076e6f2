#include <martlet/scheduler/scope.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/tasklet/shield.hpp>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "scope_children.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::cancelled;
using martlet::in_scope;
using martlet::scheduler;
using martlet::scope;
using martlet::task;

std::vector<std::string> texts_of(const martlet::scope_failed& all) {
  std::vector<std::string> texts;
  for (const auto& one : all.errors()) {
    try {
      std::rethrow_exception(one);
    } catch (const std::exception& e) {
      texts.emplace_back(e.what());
    }
  }
  return texts;
}

TEST_SUITE("in_scope") {
  TEST_CASE("no child outlives it, and it gives what the body returned") {
    scheduler pool(2);
    counter ended{0};
    const int children = fibers(200);
    const int result = pool.block_on([](counter& n, int count) -> task<int> {
      const int inner = co_await in_scope([&](scope& s) -> task<int> {
        for (int i = 0; i < count; ++i) {
          s.spawn(ends_later(n));
          s.spawn([&n] {
            martlet::await(martlet::sleep_for(1ms));
            ++n;
          });
        }
        co_return 5;
      });
      co_return inner * 10000 + n.load();
    }(ended, children));
    CHECK(result == 50000 + 2 * children);
  }

  TEST_CASE("children may spawn more into it while it lives") {
    scheduler pool(2);
    counter ended{0};
    pool.block_on([](counter& n) -> task<> {
      co_await in_scope([&](scope& s) -> task<> {
        const auto grow = [&](auto& self, int depth) -> task<> {
          ++n;
          if (depth != 0) {
            s.spawn(self(self, depth - 1));
            co_await martlet::yield();
            s.spawn(self(self, depth - 1));
          }
        };
        co_await grow(grow, 7);
        while (s.size() != 0) {  // `grow` is ours: it has to live as long as who calls it
          co_await martlet::yield();
        }
      });
    }(ended));
    CHECK(ended == 255);
  }

  TEST_CASE("it gives references and values that only move") {
    scheduler pool(1);
    int number = 3;
    const auto refers = [&number](scope&) -> task<int&> { co_return number; };
    const auto number_itself = [](int& n) -> task<int&> { co_return n; };
    CHECK(pool.block_on([](auto body, auto part, int* expected) -> task<bool> {
      int& first = co_await in_scope(body);
      int& second = co_await martlet::within(1h, part(*expected));
      co_return &first == expected && &second == expected;
    }(refers, number_itself, &number)));
    CHECK(pool.block_on(pool.spawn([&number] {
      int& same = in_scope([&number](scope&) -> int& { return number; });
      return &same == &number;
    })));
    CHECK(*pool.block_on([]() -> task<std::unique_ptr<int>> {
      co_return co_await in_scope([](scope&) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); });
    }()) == 4);
  }

  TEST_CASE("a body that joins the child that fails throws its error as it is") {
    scheduler pool(2);
    const auto run = [&] {
      pool.block_on([]() -> task<> {
        co_await in_scope([](scope& s) -> task<> {
          auto h = s.spawn(fails("a child"));
          const martlet::shield hears_it;
          co_await h.join();
        });
      }());
    };
    for (int i = 0; i < 50; ++i) {
      CHECK_THROWS_WITH_AS(run(), "a child", std::runtime_error);
    }
  }

  TEST_CASE("when the body throws, the children are stopped, and have ended first") {
    scheduler pool(2);
    counter stopped{0};
    const auto run = [&] {
      pool.block_on([](counter& n) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn(sleeps(n));
          s.spawn(sleeps(n));
          co_await martlet::sleep_for(1ms);
          throw std::runtime_error("the body");
        });
      }(stopped));
    };
    CHECK_THROWS_WITH_AS(run(), "the body", std::runtime_error);
    CHECK(stopped == 2);
  }

  TEST_CASE("a child that fails cancels its siblings and the body, and its error is thrown as it is") {
    scheduler pool(2);
    counter stopped{0};
    const auto run = [&] {
      pool.block_on([](counter& n) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn(sleeps(n));
          s.spawn([&n] {
            try {
              martlet::await(martlet::sleep_for(1h));
            } catch (const cancelled&) {
              ++n;
              throw;
            }
          });
          s.spawn(fails("a child"));
          co_await sleeps(n);
        });
        co_await martlet::yield();  // it is stopped no longer
      }(stopped));
    };
    CHECK_THROWS_WITH_AS(run(), "a child", std::runtime_error);
    CHECK(stopped == 3);
  }

  TEST_CASE("what was stopped with a scope goes on outside of it") {
    scheduler pool(2);
    CHECK(pool.block_on([]() -> task<int> {
      int caught = 0;
      for (int i = 0; i < 3; ++i) {
        try {
          co_await in_scope([](scope& outer) -> task<> {
            outer.spawn(fails("outer"));
            co_await in_scope([](scope& inner) -> task<> {
              inner.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
              co_await martlet::sleep_for(1h);
            });
          });
        } catch (const std::runtime_error&) {
          ++caught;
        }
        co_await martlet::sleep_for(1ms);
      }
      co_return caught;
    }()) == 3);
  }

  TEST_CASE("the end of a scope that was stopped does not take back that one around it was") {
    scheduler pool(1);
    for (const bool is_inner_first : {false, true}) {
      bool is_heard = false;
      pool.block_on([](bool inner_first, bool& heard) -> task<> {
        try {
          co_await in_scope([&](scope& outer) -> task<> {
            co_await in_scope([&](scope&) -> task<> {  // not stopped itself
              co_await in_scope([&](scope& inner) -> task<> {
                (inner_first ? inner : outer).cancel();
                (inner_first ? outer : inner).cancel();
                co_return;
              });
            });
            try {
              co_await martlet::yield();
            } catch (const cancelled&) {
              heard = true;
              throw;
            }
          });
        } catch (const cancelled&) {}
        co_await martlet::yield();  // outside of them all it goes on
      }(is_inner_first, is_heard));
      CHECK(is_heard);
    }
  }

  TEST_CASE("of the stopped scopes around it the one that was made behind most shields counts, as long as it lasts") {
    scheduler pool(1);
    std::string seen;
    pool.block_on([](std::string& log) -> task<> {
      const auto look = [&log](const char* where) -> task<> {
        try {
          co_await martlet::yield();
          log += std::string(where) + " goes on, ";
        } catch (const cancelled&) {
          log += std::string(where) + " ends, ";
        }
      };
      try {
        co_await in_scope([&](scope& outer) -> task<> {
          {
            const martlet::shield undisturbed;
            co_await in_scope([&](scope& middle) -> task<> {
              co_await in_scope([&](scope& inner) -> task<> {
                outer.cancel();
                middle.cancel();
                inner.cancel();
                co_await look("inner");
              });
              co_await look("middle");
              const martlet::shield another;
              co_await look("behind both");
            });
            co_await look("behind one");
          }
          co_await look("outer");
        });
      } catch (const cancelled&) {}
      co_await look("outside");
    }(seen));
    CHECK(seen == "inner ends, middle ends, behind both goes on, behind one goes on, outer ends, outside goes on, ");
  }

  TEST_CASE("a child that was asked to stop is no failure") {
    scheduler pool(2);
    counter ended{0};
    pool.block_on([](counter& n) -> task<> {
      co_await in_scope([&](scope& s) -> task<> {
        auto one = s.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
        s.spawn(ends_later(n));
        co_await martlet::yield();
        one.cancel();
      });
    }(ended));
    CHECK(ended == 1);
  }

  TEST_CASE("one that ends with the cancel of another, which nobody had asked to stop, is one, and is told once") {
    scheduler pool(2);
    auto sleeper = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    counter stopped{0};
    auto of_scope = pool.spawn([&]() -> task<bool> {
      try {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn([&]() -> task<> { co_await sleeper.join(); });
          s.spawn(sleeps(stopped));
          co_return;
        });
        co_return false;
      } catch (const cancelled&) {
        co_return true;
      }
    });
    REQUIRE(eventually([&] { return of_scope.state() == martlet::status::blocked; }));
    sleeper.cancel();
    CHECK(pool.block_on(std::move(of_scope)));
    CHECK(stopped == 1);
    const std::string what = pool.block_on([]() -> task<std::string> {
      try {
        co_await in_scope([](scope& s) -> task<> {
          auto first = s.spawn(fails("once"));
          s.spawn([](martlet::handle<> other) -> task<> { co_await other.join(); }(std::move(first)));
          co_return;
        });
      } catch (const std::exception& e) {
        co_return e.what();
      }
      co_return "nothing";
    }());
    CHECK(what == "once");
  }

  TEST_CASE("cancel stops all that is inside, and what is spawned afterwards") {
    scheduler pool(2);
    counter stopped{0};
    const auto run = [&] {
      pool.block_on([](counter& n) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          for (int i = 0; i < 200; ++i) {
            s.spawn(sleeps(n));
          }
          s.spawn([&]() -> task<> {
            co_await martlet::sleep_for(1ms);
            s.cancel();
            s.cancel();
            s.spawn(sleeps(n));
          });
          co_await sleeps(n);
        });
      }(stopped));
    };
    CHECK_THROWS_AS(run(), cancelled);
    CHECK(stopped == 202);
  }

  TEST_CASE("a body that cancelled its children and ended gives its result") {
    scheduler pool(2);
    counter stopped{0};
    CHECK(pool.block_on([](counter& n) -> task<int> {
      co_return co_await in_scope([&](scope& s) -> task<int> {
        s.spawn(sleeps(n));
        co_await martlet::sleep_for(1ms);
        s.cancel();
        co_return 4;
      });
    }(stopped)) == 4);
    CHECK(stopped == 1);
  }

  TEST_CASE("several errors are all kept, the body's first") {
    scheduler pool(2);
    std::vector<std::string> texts;
    std::string what;
    try {
      pool.block_on([]() -> task<> {
        co_await in_scope([](scope& s) -> task<> {
          s.spawn([]() -> task<> {
            throw std::runtime_error("x");
            co_return;
          });
          s.spawn([] { throw std::runtime_error("x"); });
          throw std::runtime_error("body");
          co_return;
        });
      }());
    } catch (const martlet::scope_failed& all) {
      texts = texts_of(all);
      what = all.what();
    }
    CHECK(texts == std::vector<std::string>{"body", "x", "x"});
    CHECK(what.find("3 tasklets") != std::string::npos);
    CHECK(what.find("body") != std::string::npos);
  }

  TEST_CASE("a cancel of its tasklet stops the children too, wherever the tasklet waits") {
    scheduler pool(2);
    for (const bool waits_in_body : {true, false}) {
      counter stopped{0};
      counter begun{0};
      auto h = pool.spawn([](counter& started, counter& n, bool in_body) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn(sleeps(n));
          s.spawn([&n] {
            martlet::await([](counter& all) -> task<> {
              co_await in_scope([&](scope& inner) -> task<> {
                inner.spawn(sleeps(all));
                co_return;
              });
            }(n));
          });
          ++started;
          if (in_body) {
            co_await martlet::sleep_for(1h);
          }
        });
      }(begun, stopped, waits_in_body));
      REQUIRE(eventually([&] { return begun == 1 && h.state() == martlet::status::blocked; }));
      h.cancel();
      CHECK_THROWS_AS(pool.block_on(std::move(h)), cancelled);
      CHECK(stopped == 2);
    }
  }

  TEST_CASE("in a fiber the body can be a plain function") {
    scheduler pool(2);
    counter stopped{0};
    CHECK(pool.block_on(pool.spawn([] {
      return in_scope([](scope& s) { return martlet::await(s.spawn([] { return 7; })); });
    })) == 7);
    auto failing = pool.spawn([&stopped] {
      in_scope([&](scope& s) {
        s.spawn(fails("a child"));
        s.spawn(sleeps(stopped));
        martlet::await(sleeps(stopped));
      });
    });
    CHECK_THROWS_WITH_AS(pool.block_on(std::move(failing)), "a child", std::runtime_error);
    CHECK(stopped == 2);
  }

  TEST_CASE("a plain function as its body inside a coroutine stops the program with a sentence") {
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on([]() -> task<> {
        in_scope([](scope&) {});
        co_return;
      }());
    });
    CHECK(end.was_aborted());
    CHECK(end.said("let the function return a martlet::task"));
  }
}

TEST_SUITE("scope") {
  TEST_CASE("in a fiber and on a thread its destructor waits") {
    scheduler pool(2);
    counter ended{0};
    {
      scope here(pool);
      here.spawn(ends_later(ended));
      here.spawn([&] { ++ended; });
    }
    CHECK(ended == 2);
    const int seen = pool.block_on(pool.spawn([&ended] {
      {
        scope inside;
        inside.spawn(ends_later(ended));
        inside.spawn(ends_later(ended));
      }
      return ended.load();
    }));
    CHECK(seen == 4);
  }

  TEST_CASE("join throws the children's errors, and the scope can go on") {
    scheduler pool(2);
    scope here(pool);
    here.spawn(fails("first"));
    CHECK_THROWS_WITH_AS(here.join(), "first", std::runtime_error);
    here.join();
    here.spawn([] { throw std::runtime_error("a"); });
    here.spawn([] { throw std::runtime_error("b"); });
    CHECK_THROWS_AS(here.join(), martlet::scope_failed);
    counter ended{0};
    here.spawn(ends_later(ended));
    CHECK(here.size() <= 1);
    here.join();
    CHECK(ended == 1);
    CHECK(here.size() == 0);
  }

  TEST_CASE("its scheduler ends only when its children have, whoever's scope it is") {
    counter stopped{0};
    auto pool = std::make_unique<scheduler>(2);
    scope here(*pool);
    here.spawn(sleeps(stopped));
    here.spawn(sleeps(stopped));
    pool.reset();
    CHECK(stopped == 2);
    CHECK(here.size() == 0);
    here.join();
  }

  TEST_CASE("one that was made without a scheduler, on a thread that has none, takes no children from others either") {
    martlet::scope none;
    martlet::scheduler pool(1);
    pool.block_on(pool.spawn([&] {
      CHECK_THROWS_WITH_AS(none.spawn([] {}), doctest::Contains("give it the martlet::scheduler"), martlet::misuse);
    }));
    CHECK(none.size() == 0);
  }

  TEST_CASE("others may cancel it and spawn into it while it is joined") {
    scheduler pool(2);
    const int rounds = scaled(500);
    for (int i = 0; i < rounds; ++i) {
      scope here(pool);
      here.spawn([] { throw std::runtime_error("a child"); });
      std::thread other([&here] {
        here.cancel();
        here.spawn([] { throw std::logic_error("another"); });
        here.cancel();
      });
      try {
        here.join();
      } catch (const std::exception&) {}
      other.join();
      try {
        here.join();
      } catch (const std::exception&) {}
    }
  }

  TEST_CASE("a child can also be joined by its handle") {
    scheduler pool(2);
    scope here(pool);
    auto h = here.spawn([]() -> task<int> { co_return 9; });
    CHECK(martlet::await(h.join()) == 9);
    here.join();
  }

  TEST_CASE("its destructor stops the children when an exception passes by") {
    scheduler pool(2);
    counter stopped{0};
    auto h = pool.spawn([&stopped] {
      scope inside;
      inside.spawn(sleeps(stopped));
      martlet::await(martlet::sleep_for(1ms));
      throw std::runtime_error("passes by");
    });
    CHECK_THROWS_WITH_AS(pool.block_on(std::move(h)), "passes by", std::runtime_error);
    CHECK(stopped == 1);
  }

  TEST_CASE("an object does not end the waits of its own tasklet, its join tells") {
    scheduler pool(2);
    auto h = pool.spawn([] {
      scope inside;
      inside.spawn(fails("a child"));
      martlet::await(martlet::sleep_for(2ms));
      inside.join();
    });
    CHECK_THROWS_WITH_AS(pool.block_on(std::move(h)), "a child", std::runtime_error);
  }

  TEST_CASE("children that end while it is cancelled are left alone") {
    scheduler pool(2);
    const int rounds = scaled(300);
    for (int i = 0; i < rounds; ++i) {
      scope here(pool);
      for (int child = 0; child < 150; ++child) {
        here.spawn([](int n) -> task<> {
          co_await martlet::yield();
          co_await martlet::sleep_for(std::chrono::microseconds(n % 3 == 0 ? 3'600'000'000 : n));
        }(child));
      }
      here.cancel();
      here.join();
    }
  }

  TEST_CASE("many scopes end while their last children do") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    counter ended{0};
    for (int i = 0; i < rounds; ++i) {
      scope here(pool);
      here.spawn([](counter& n) -> task<> {
        ++n;
        co_return;
      }(ended));
    }
    CHECK(ended == rounds);
  }

  TEST_CASE("a scope that is joined twice at once stops the program with a sentence") {
    const auto end = in_child([] {
      scheduler pool(2);
      martlet::scope s(pool);
      s.spawn([]() -> task<> { co_await martlet::sleep_for(std::chrono::hours(1)); });
      std::thread other([&s] { s.join(); });
      s.join();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("join a scope in one place"));
  }
}

}  // namespace
