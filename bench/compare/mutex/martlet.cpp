// Eight tasklets that want the same mutex all the time.
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long tasklets = 8;
constexpr long rounds = 250'000;  // of each

martlet::task<> count_up(martlet::mutex& door, long& counter) {
  for (long i = 0; i < rounds; ++i) {
    const auto held = co_await door.acquire();
    ++counter;
  }
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, tasklets * rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    martlet::mutex door;
    long counter = 0;
    std::vector<martlet::handle<>> all;
    for (long i = 0; i < tasklets; ++i) {
      all.push_back(pool.spawn(count_up(door, counter)));
    }
    for (auto& one : all) {
      pool.block_on(std::move(one));
    }
    return counter == tasklets * rounds;
  });
}
