// Eight fibers lock one mutex, count up and unlock.
#include <mutex>
#include <optional>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr int contenders = 8;
constexpr long rounds = 250'000;  // of each

void count_up(fibers::mutex& guard, long& counter) {
  for (long i = 0; i < rounds; ++i) {
    const std::lock_guard held(guard);
    ++counter;
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, contenders * rounds, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    fibers::mutex guard;
    long counter = 0;
    std::vector<fibers::fiber> all;
    for (int i = 0; i < contenders; ++i) {
      all.emplace_back(count_up, std::ref(guard), std::ref(counter));
    }
    for (fibers::fiber& each : all) {
      each.join();
    }
    return counter == contenders * rounds;
  });
}
