#include <martlet/loadtest/think_time.hpp>

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace martlet::loadtest;
using namespace std::chrono_literals;

namespace {

double mean_of(const think_time_distribution& time, std::uint64_t draws) {
  double sum = 0;
  for (std::uint64_t user = 0; user != draws; ++user) {
    user_random random(1, user);  // a fresh user each time: neighbours must not be alike
    sum += static_cast<double>(time.draw(random).count());
  }
  return sum / static_cast<double>(draws);
}

}  // namespace

TEST_SUITE("think time") {
  TEST_CASE("a user's numbers depend on the seed and the user, and on nothing else") {
    user_random first(1, 5);
    user_random second(1, 5);
    for (int i = 0; i != 100; ++i) CHECK(first.next() == second.next());
    std::set<std::uint64_t> different;
    for (std::uint64_t seed = 0; seed != 100; ++seed)
      for (std::uint64_t user = 0; user != 100; ++user) different.insert(user_random(seed, user).next());
    CHECK(different.size() == 10'000);
  }

  TEST_CASE("these numbers never change, so that a seed means the same tomorrow") {
    user_random random(42, 7);
    const std::vector<std::uint64_t> first{random.next(), random.next(), random.next()};
    // Computed from SplitMix64's definition by another program.
    CHECK(first == std::vector<std::uint64_t>{0x714b7856c46b65de, 0xf170efaf47aac4d4, 0xa18ee6159be602f6});
  }

  TEST_CASE("unit lies above 0 and not above 1") {
    user_random random(3, 0);
    double sum = 0;
    for (int i = 0; i != 100'000; ++i) {
      const auto number = random.unit();
      REQUIRE(number > 0);
      REQUIRE(number <= 1);
      sum += number;
    }
    CHECK(sum / 100'000 == doctest::Approx(0.5).epsilon(0.01));
  }

  TEST_CASE("a constant is constant") {
    const think_time_distribution time{.low = 5ms};
    CHECK(mean_of(time, 100) == 5e6);
    CHECK(time.mean() == 5ms);
  }

  TEST_CASE("a uniform time stays in its range and reaches both ends") {
    const think_time_distribution time{.kind = think_time_distribution::shape::uniform, .low = 3ns, .high = 6ns};
    std::set<std::int64_t> seen;
    user_random random(1, 1);
    for (int i = 0; i != 1'000; ++i) seen.insert(time.draw(random).count());
    CHECK(seen == std::set<std::int64_t>{3, 4, 5, 6});
    const think_time_distribution wide{.kind = think_time_distribution::shape::uniform, .low = 1ms, .high = 3ms};
    CHECK(mean_of(wide, 100'000) == doctest::Approx(2e6).epsilon(0.01));
    CHECK(wide.mean() == 2ms);
  }

  TEST_CASE("an exponential time has its mean, and a median of ln 2 of it") {
    const think_time_distribution time{.kind = think_time_distribution::shape::exponential, .average = 10ms};
    CHECK(mean_of(time, 200'000) == doctest::Approx(10e6).epsilon(0.01));
    std::uint64_t below = 0;
    for (std::uint64_t user = 0; user != 100'000; ++user) {
      user_random random(2, user);
      below += time.draw(random) < 6'931'472ns;
    }
    CHECK(static_cast<double>(below) / 100'000 == doctest::Approx(0.5).epsilon(0.01));
    CHECK(time.mean() == 10ms);
  }
}
