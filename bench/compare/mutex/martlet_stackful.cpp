// Eight fibers that want the same mutex all the time.
#include <mutex>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long fibers = 8;
constexpr long rounds = 250'000;  // of each

void count_up(martlet::mutex& door, long& counter) {
  for (long i = 0; i < rounds; ++i) {
    const std::lock_guard held(door);
    ++counter;
  }
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, fibers * rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    martlet::mutex door;
    long counter = 0;
    std::vector<martlet::handle<>> all;
    for (long i = 0; i < fibers; ++i) {
      all.push_back(pool.spawn([&] { count_up(door, counter); }));
    }
    for (auto& one : all) {
      pool.block_on(std::move(one));
    }
    return counter == fibers * rounds;
  });
}
