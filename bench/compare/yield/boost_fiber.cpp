// Two fibers that yield to each other.
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long rounds = 2'000'000;  // of each

void turns(long& taken) {
  for (long i = 0; i < rounds; ++i) {
    boost::this_fiber::yield();
    ++taken;
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, 2 * rounds, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    long first = 0;
    long second = 0;
    fibers::fiber one(turns, std::ref(first));
    fibers::fiber other(turns, std::ref(second));
    one.join();
    other.join();
    return first + second == 2 * rounds;
  });
}
