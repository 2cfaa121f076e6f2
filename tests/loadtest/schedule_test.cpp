#include "schedule.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>

namespace {

using namespace martlet::loadtest;
using namespace std::chrono_literals;

scenario with(std::string_view model, std::string_view requests, std::string_view more = "") {
  return parse_scenario(R"({"target": "http://localhost", "model": )" + std::string(model) + R"(, "requests": )" +
                            std::string(requests) + std::string(more) + "}",
                        "s.json");
}

constexpr auto closed = R"({"kind": "closed", "users": 4, "iterations": 3, "ramp_up": "1s"})";
constexpr auto one = R"([{"path": "/"}])";
constexpr auto three = R"([{"path": "/a"}, {"path": "/b"}, {"path": "/c"}])";

}  // namespace

TEST_SUITE("schedule") {
  TEST_CASE("without weights the requests come in turn and no random number is drawn") {
    const auto what = with(closed, three);
    const request_chooser chooser(what);
    user_random random(1, 1);
    user_random untouched(1, 1);
    for (std::uint64_t i = 0; i != 9; ++i) CHECK(chooser.choose(i, random) == i % 3);
    CHECK(random.next() == untouched.next());
  }

  TEST_CASE("with weights each comes as often as it weighs, and a seed decides which when") {
    const auto what =
        with(closed, R"([{"path": "/a", "weight": 1}, {"path": "/b", "weight": 0.5}, {"path": "/c", "weight": 8.5}])");
    const request_chooser chooser(what);
    std::array<int, 3> chosen{};
    user_random random(1, 1);
    user_random again(1, 1);
    for (std::uint64_t i = 0; i != 100'000; ++i) {
      const auto step = chooser.choose(i, random);
      REQUIRE(step < 3);
      REQUIRE(step == chooser.choose(i, again));
      ++chosen[step];
    }
    CHECK(chosen[0] == doctest::Approx(10'000).epsilon(0.05));
    CHECK(chosen[1] == doctest::Approx(5'000).epsilon(0.05));
    CHECK(chosen[2] == doctest::Approx(85'000).epsilon(0.05));
  }

  TEST_CASE("arrivals are evenly spread, to the last nanosecond of long runs") {
    const auto what = with(R"({"kind": "constant_rate", "rate": 3, "duration": "10s", "max_in_flight": 1})", one);
    const auto& model = std::get<constant_rate_model>(what.model);
    const arrival_times times(model, what, 1'000);
    CHECK(times.count() == 30);
    CHECK(times.at(0) == 1'000);
    CHECK(times.at(1) == 1'000 + 333'333'333);
    CHECK(times.at(3) == 1'000 + 1'000'000'000);
    CHECK(times.at(3'000'000'000) == 1'000 + 1'000'000'000'000'000'000);
  }

  TEST_CASE("a rate lower than one in the duration still sends one, and a total ends it sooner") {
    const auto slow = with(R"({"kind": "constant_rate", "rate": 0.01, "duration": "1s", "max_in_flight": 1})", one);
    CHECK(arrival_times(std::get<constant_rate_model>(slow.model), slow, 0).count() == 1);
    const auto counted = with(R"({"kind": "constant_rate", "rate": 1000, "duration": "1s", "max_in_flight": 1})", one,
                              R"(, "total_requests": 17)");
    CHECK(arrival_times(std::get<constant_rate_model>(counted.model), counted, 0).count() == 17);
    const auto endless =
        with(R"({"kind": "constant_rate", "rate": 1000, "max_in_flight": 1})", one, R"(, "total_requests": 99999)");
    CHECK(arrival_times(std::get<constant_rate_model>(endless.model), endless, 0).count() == 99'999);
  }

  TEST_CASE("users begin evenly spread over the ramp") {
    const auto what = with(closed, one);
    const auto& model = std::get<closed_model>(what.model);
    CHECK(begin_of_user(model, 5, 0) == 5);
    CHECK(begin_of_user(model, 5, 1) == 250'000'005);
    CHECK(begin_of_user(model, 5, 3) == 750'000'005);
  }

  TEST_CASE("iterations are passes over a sequence, or single weighted requests; the total cuts them") {
    const auto sequence = with(closed, three);
    CHECK(requests_of_user(std::get<closed_model>(sequence.model), sequence, 0) == 9);
    const auto weighted = with(closed, R"([{"path": "/a", "weight": 1}, {"path": "/b", "weight": 1}])");
    CHECK(requests_of_user(std::get<closed_model>(weighted.model), weighted, 0) == 3);
    const auto cut = with(closed, three, R"(, "total_requests": 10)");
    CHECK(requests_of_user(std::get<closed_model>(cut.model), cut, 1) == 3);
    CHECK(requests_of_user(std::get<closed_model>(cut.model), cut, 2) == 2);
    const auto timed = with(R"({"kind": "closed", "users": 1, "duration": "1s"})", one);
    CHECK(requests_of_user(std::get<closed_model>(timed.model), timed, 0) == std::numeric_limits<std::uint64_t>::max());
  }
}
