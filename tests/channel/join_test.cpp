#include <martlet/tasklet/handle.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

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

  TEST_CASE("one that was given up is none") {
    scheduler pool(1);
    martlet::channel<int> go;
    auto waits = pool.spawn([&]() -> task<int> { co_return (co_await go.receive()).value(); });
    CHECK_THROWS_AS(await(martlet::within(1ms, waits.join())), martlet::deadline_passed);
    CHECK(await(martlet::select(waits.join(), martlet::sleep_for(1ms))).index() == 1);
    await(go.send(7));
    CHECK(await(waits.join()) == 7);
  }
}

}  // namespace
