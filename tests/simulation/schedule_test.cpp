#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/tasklet/shield.hpp>

#include "some_program.hpp"
#include "thrown_by.hpp"

namespace {

using martlet::schedule;
using martlet::simulation;
using martlet::simulation_options;
using martlet::strategy;
using martlet::task;
using martlet::testing::run_some_program;
using martlet::testing::thrown_by;

task<> notes(char name, std::string& order) {
  for (int i = 0; i < 4; ++i) {
    order += name;
    co_await martlet::yield();
  }
}

std::string order_of_three(simulation& sim) {
  std::string order;
  martlet::scope all(sim);
  for (const char name : {'a', 'b', 'c'}) {
    all.spawn(notes(name, order));
  }
  all.join();
  return order;
}

TEST_SUITE("schedule") {
  TEST_CASE("a text can be read again") {
    const schedule one{.seed = 7, .choices = {{.step = 12, .tasklet = 3}, {.step = 57, .tasklet = 1}}};
    CHECK(one.text() == "7: 12=3 57=1");
    CHECK(schedule::parse(one.text()) == one);
    CHECK(schedule::parse("18446744073709551615:").seed == UINT64_MAX);
    CHECK(schedule::parse("0:").choices.empty());
  }

  TEST_CASE("a text that is none is refused with what was expected") {
    const auto refusal = [](const char* text) {
      return thrown_by<martlet::misuse>([text] { static_cast<void>(schedule::parse(text)); });
    };
    CHECK(refusal("").find("expected a seed at character 1, found the end") != std::string::npos);
    CHECK(refusal("7").find("expected a colon after the seed at character 2") != std::string::npos);
    CHECK(refusal("7:1=2").find("expected a space between two choices at character 3, found \"1=2\"") !=
          std::string::npos);
    CHECK(refusal("7: 1=").find("expected the number of a tasklet") != std::string::npos);
    CHECK(refusal("7: 5=1 5=2").find("expected steps that rise") != std::string::npos);
    CHECK(refusal("7: 5=-1").find("expected the number of a tasklet") != std::string::npos);
    CHECK(refusal("99999999999999999999:").find("expected a seed") != std::string::npos);
  }

  TEST_CASE("round robin gives everybody a turn, and the plain order lets one go on") {
    simulation_options how{.order = strategy::round_robin};
    CHECK([&] {
      simulation sim(how);
      return order_of_three(sim);
    }() == "abcabcabcabc");
    simulation sim(schedule{});
    CHECK(order_of_three(sim) == "aaaabbbbcccc");
    CHECK(sim.taken() == schedule{});
  }

  TEST_CASE("each strategy gives the same with the same seed, and its schedule gives the same again") {
    for (const strategy order : {strategy::uniform, strategy::pct, strategy::round_robin}) {
      for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::string happened;
        std::uint64_t hash = 0;
        schedule taken;
        {
          simulation sim(simulation_options{.seed = seed, .order = order, .expected_steps = 40});
          happened = run_some_program(sim);
          hash = sim.hash();
          taken = sim.taken();
        }
        {
          simulation sim(simulation_options{.seed = seed, .order = order, .expected_steps = 40});
          CHECK(run_some_program(sim) == happened);
          CHECK(sim.hash() == hash);
        }
        simulation sim(schedule::parse(taken.text()));
        CHECK(run_some_program(sim) == happened);
        CHECK(sim.hash() == hash);
        CHECK(sim.taken() == taken);
      }
    }
  }

  TEST_CASE("priorities switch less often than chance") {
    std::size_t choices[2] = {0, 0};
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      for (const bool pct : {false, true}) {
        simulation sim(simulation_options{
            .seed = seed, .order = pct ? strategy::pct : strategy::uniform, .expected_steps = 40});
        static_cast<void>(order_of_three(sim));
        choices[pct ? 1 : 0] += sim.taken().choices.size();
      }
    }
    CHECK(choices[1] * 2 < choices[0]);
  }

  TEST_CASE("a schedule that does not fit says where") {
    using namespace std::chrono_literals;
    const schedule wrong{.seed = 1, .choices = {{.step = 2, .tasklet = 77}}};
    {
      simulation sim(wrong);
      std::string order;
      const std::string said = thrown_by<martlet::misuse>([&] { sim.block_on(notes('x', order)); });
      CHECK(said.find("at step 2 the schedule runs tasklet 77, which is not ready; ready are 1.") != std::string::npos);
      CHECK(thrown_by<martlet::misuse>([&] { sim.block_on(notes('y', order)); }).find("step 2") !=
            std::string::npos);  // it goes no further
      CHECK_THROWS_AS(martlet::await(martlet::sleep_for(1s)), martlet::misuse);
      martlet::channel<int> silent;
      CHECK_THROWS_AS(static_cast<void>(martlet::await(martlet::within(1s, silent.receive()))), martlet::misuse);
      CHECK(silent.balance() == 0);
    }
    simulation sim(simulation_options{.order = strategy::follow, .recorded = wrong});
    CHECK(order_of_three(sim) == "aaaabbbbcccc");
  }

  TEST_CASE("where the schedule or the number of turns is at an end, tasklets still end when the simulation does") {
    const auto twenty_turns = [](int& turns) -> task<> {
      const martlet::shield undisturbed;
      for (; turns < 20; ++turns) {
        co_await martlet::yield();
      }
    };
    const schedule wrong{.seed = 1, .choices = {{.step = 9, .tasklet = 77}}};
    for (const simulation_options& how :
         {simulation_options{.order = strategy::replay, .recorded = wrong}, simulation_options{.most_steps = 15}}) {
      int turns = 0;
      {
        simulation sim(how);
        sim.spawn(twenty_turns(turns));
      }
      CHECK(turns == 20);
    }
  }

  TEST_CASE("what is replayed or followed has the seed of the schedule, for selects too") {
    const auto choices_of_selects = [](simulation& sim) {
      return sim.block_on([]() -> task<std::string> {
        std::string chosen;
        martlet::channel<int> one(1);
        martlet::channel<int> other(1);
        for (int i = 0; i < 20; ++i) {
          co_await one.send(1);
          co_await other.send(1);
          chosen += static_cast<char>('0' + (co_await martlet::select(one.receive(), other.receive())).index());
          static_cast<void>(co_await martlet::select(one.receive(), other.receive()));
        }
        co_return chosen;
      }());
    };
    std::string chosen;
    schedule taken;
    {
      simulation sim(77);
      chosen = choices_of_selects(sim);
      taken = sim.taken();
    }
    for (const strategy order : {strategy::replay, strategy::follow}) {
      simulation sim(simulation_options{.order = order, .recorded = taken});
      CHECK(sim.taken().seed == 77);
      CHECK(choices_of_selects(sim) == chosen);
    }
    simulation another(simulation_options{.order = strategy::follow, .recorded = {.seed = 78, .choices = {}}});
    CHECK(choices_of_selects(another) != chosen);
  }

  TEST_CASE("options that cannot be are refused") {
    using namespace std::chrono_literals;
    CHECK(thrown_by<martlet::misuse>([] {
            simulation sim(schedule{.choices = {{.step = 5, .tasklet = 1}, {.step = 2, .tasklet = 1}}});
          }).find("steps that rise, found a choice at step 2 after one at step 5") != std::string::npos);
    CHECK(thrown_by<martlet::misuse>([] {
            simulation sim(simulation_options{.order = strategy::pct, .depth = 0});
          }).find("depth = 0") != std::string::npos);
    CHECK(thrown_by<martlet::misuse>([] {
            simulation sim(simulation_options{.turn = 0ns});
          }).find("turn is a time of more than nothing") != std::string::npos);
    CHECK(thrown_by<martlet::misuse>([] {
            simulation sim(simulation_options{.most_steps = 0});
          }).find("most_steps is a count of at least 1") != std::string::npos);
  }

  TEST_CASE("at the end of all time tasklets still take turns") {
    simulation sim(simulation_options{.turn = std::chrono::nanoseconds::max()});
    std::string order;
    sim.block_on(notes('x', order));
    CHECK(order == "xxxx");
  }
}

}  // namespace
