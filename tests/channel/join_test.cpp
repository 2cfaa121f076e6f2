#include <martlet/tasklet/handle.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>
#include <martlet/scheduler/simulation.hpp>

#include "in_child.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::misuse;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("join") {
  TEST_CASE("a second one is a misuse that names the spawn, however it is made") {
    scheduler pool(1);
    auto text = pool.spawn([]() -> task<std::string> { co_return "a string that is too long for the string itself"; });
    const std::string where = "join_test.cpp:" + std::to_string(__LINE__ - 1);
    CHECK(await(text.join()).size() == 47);
    const std::string sentence = thrown_by<misuse>([&] { static_cast<void>(text.join()); });
    CHECK(sentence.find(where) != std::string::npos);
    CHECK(sentence.find("was joined before, and its result moved out") != std::string::npos);
    CHECK(thrown_by<misuse>([&] { await(martlet::select(text.join())); }) == sentence);
    CHECK(thrown_by<misuse>([&] { pool.run_here(std::move(text)); }) == sentence);
    auto nothing = pool.spawn([] {});
    await(martlet::select(nothing.join()));
    CHECK_THROWS_AS(pool.block_on(std::move(nothing)), misuse);
    auto fails = pool.spawn([] { throw std::runtime_error("once"); });
    CHECK_THROWS_AS(await(fails.join()), std::runtime_error);
    CHECK_THROWS_AS(await(fails.join()), misuse);
  }

  TEST_CASE("two that were made before either was awaited are told apart in time") {
    const auto end = in_child([] {
      scheduler pool(1);
      auto text =
          pool.spawn([]() -> task<std::string> { co_return "a string that is too long for the string itself"; });
      auto first = text.join();
      auto second = text.join();
      static_cast<void>(await(first));
      static_cast<void>(await(second));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("a join was awaited after another one had taken the result"));
    CHECK(end.said("join_test.cpp:"));
  }

  TEST_CASE("one that was given up is none") {
    scheduler pool(1);
    martlet::channel<int> go;
    auto waits = pool.spawn([&]() -> task<int> { co_return (co_await go.receive()).value(); });
    CHECK_THROWS_AS(await(martlet::within(1ms, waits.join())), martlet::deadline_passed);
    CHECK(await(martlet::select(waits.join(), martlet::sleep_for(1ms))).index() == 1);
    await(go.send(7));
    CHECK(await(waits.join()) == 7);
  }

  TEST_CASE("of itself it stops the program, in a fiber and as a case of a select too") {
    const auto join_itself = [](auto join) {
      return in_child([&] {
        scheduler pool(1);
        martlet::handle<> self;
        martlet::channel<int> is_there;
        self = pool.spawn([&] {
          static_cast<void>(await(is_there.receive()));
          join(self);
        });
        await(is_there.send(1));
        std::this_thread::sleep_for(30s);
      });
    };
    const auto plain = join_itself([](martlet::handle<>& self) { await(self.join()); });
    CHECK(plain.was_aborted());
    CHECK(plain.said("a tasklet joined its own handle"));
    const auto in_select =
        join_itself([](martlet::handle<>& self) { await(martlet::select(martlet::sleep_for(1h), self.join())); });
    CHECK(in_select.was_aborted());
    CHECK(in_select.said("a tasklet joined its own handle"));
  }

  TEST_CASE("a handle that is dropped in a join stops the program, before the end of its tasklet and just after it") {
    const auto drop_in = [](auto join, bool has_ended) {
      return in_child([&] {
        scheduler pool(1);
        scheduler others(1);
        martlet::channel<int> go;
        auto waits = pool.spawn([&]() -> task<> { static_cast<void>(co_await go.receive()); });
        auto joins = others.spawn([&] { join(waits); });
        while (joins.state() != martlet::status::blocked) {
          std::this_thread::yield();
        }
        if (has_ended) {
          martlet::base::atomic<bool> is_held{false};
          others.spawn([&] {  // from here on who joins gets no turn
            is_held = true;
            std::this_thread::sleep_for(30s);
          });
          while (!is_held) {
            std::this_thread::yield();
          }
          await(go.send(1));
          while (waits.state() != martlet::status::done) {
            std::this_thread::yield();
          }
        }
        waits = {};
      });
    };
    const auto plain = [](martlet::handle<>& other) { await(other.join()); };
    const auto in_select = [](martlet::handle<>& other) {
      await(martlet::select(martlet::sleep_for(1h), other.join()));
    };
    for (const bool has_ended : {false, true}) {
      for (const auto& end : {drop_in(plain, has_ended), drop_in(in_select, has_ended)}) {
        CHECK(end.was_aborted());
        CHECK(end.said("join_test.cpp:"));
        CHECK(end.said("was dropped while another tasklet waits in its join"));
      }
    }
  }

  // In a simulation what succeeds at once goes behind the others before it has its result.
  TEST_CASE("so does one that is dropped, or joined again, while a join that found the end has not had its turn") {
    const auto while_it_has_none = [](auto misuse_it) {
      return in_child([&] {
        martlet::simulation sim(1);
        sim.block_on([](auto wrong) -> task<> {
          auto text =
              martlet::spawn([]() -> task<std::string> { co_return "too long for the string itself, and freed"; });
          while (text.state() != martlet::status::done) {
            co_await martlet::yield();
          }
          bool has_begun = false;
          auto joins = martlet::spawn([](auto& of, bool& begun) -> task<std::string> {
            begun = true;
            co_return co_await of.join();
          }(text, has_begun));
          while (!has_begun) {
            co_await martlet::yield();
          }
          co_await wrong(text);
          co_await joins.join();
        }(misuse_it));
      });
    };
    using text_handle = martlet::handle<std::string>;
    const auto dropped = while_it_has_none([](text_handle& text) -> task<> {
      text = {};
      co_return;
    });
    CHECK(dropped.was_aborted());
    CHECK(dropped.said("join_test.cpp:"));
    CHECK(dropped.said("was dropped while another tasklet waits in its join"));
    const auto joined = while_it_has_none([](text_handle& text) -> task<> { co_await text.join(); });
    CHECK(joined.was_aborted());
    CHECK(joined.said("a handle was joined while another tasklet already waits in its join"));
  }

  TEST_CASE("a handle may be dropped once its join was given up, or has moved elsewhere") {
    scheduler pool(1);
    martlet::channel<int> go;
    auto waits = pool.spawn([&]() -> task<> { static_cast<void>(co_await go.receive()); });
    auto joins = pool.spawn([&] { await(waits.join()); });
    while (joins.state() != martlet::status::blocked) {
      std::this_thread::yield();
    }
    martlet::handle<> elsewhere = std::move(waits);
    joins.cancel();
    CHECK_THROWS_AS(await(joins.join()), martlet::cancelled);
    elsewhere = {};
    await(go.send(1));
  }
}

}  // namespace
