#include "duration.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace martlet::loadtest;
using namespace std::chrono_literals;

TEST_SUITE("duration") {
  TEST_CASE("every unit is read") {
    CHECK(parse_duration("1ns") == 1ns);
    CHECK(parse_duration("2us") == 2us);
    CHECK(parse_duration("100ms") == 100ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("0.25h") == 15min);
    CHECK(parse_duration("0s") == 0s);
    CHECK(parse_duration("0.4ns") == 0ns);
    CHECK(parse_duration("8760h") == 8760h);
  }

  TEST_CASE("what is no duration is refused with what was found") {
    for (const auto* text :
         {"", "s", "10", "1 s", "-1s", "+1s", "1e3s", "1.s", ".5s", "1..5s", "1s ", "1sec", "infs", "nans", "0x10s"})
      CHECK_THROWS_WITH_AS(parse_duration(text), doctest::Contains(("found \"" + std::string(text) + '"').c_str()),
                           std::invalid_argument);
    CHECK_THROWS_AS(parse_duration("8761h"), std::invalid_argument);
    CHECK_THROWS_AS(parse_duration(std::string(400, '9') + "ns"), std::invalid_argument);
  }

  TEST_CASE("durations are written with three or four digits") {
    CHECK(to_text(0ns) == "0 ns");
    CHECK(to_text(999ns) == "999 ns");
    CHECK(to_text(1ms) == "1.000 ms");
    CHECK(to_text(12'345us) == "12.35 ms");
    CHECK(to_text(123'456us) == "123.5 ms");
    CHECK(to_text(61s) == "61.00 s");
    CHECK(to_text(2h) == "7200 s");
  }
}
