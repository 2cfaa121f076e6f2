// Tasklets in a ring of channels without buffers pass a number on, less one, until it is zero.
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr std::size_t members = 503;
constexpr long passes = 1'000'000;

// Returns where the number became zero, or nothing.
martlet::task<long> pass_on(std::vector<martlet::channel<long>>& all, std::size_t at) {
  martlet::channel<long>& to = all[(at + 1) % members];
  long ended_here = 0;
  while (auto number = co_await all[at].receive()) {
    if (*number != 0) {
      co_await to.send(*number - 1);
      continue;
    }
    ended_here = static_cast<long>(at);
    for (auto& one : all) {
      one.close();
    }
  }
  co_return ended_here;
}

martlet::task<long> round() {
  std::vector<martlet::channel<long>> all(members);
  std::vector<martlet::handle<long>> ring;
  for (std::size_t i = 0; i < members; ++i) {
    ring.push_back(martlet::spawn(pass_on(all, i)));
  }
  co_await all[0].send(passes);
  long where = 0;
  for (auto& one : ring) {
    where += co_await one.join();
  }
  co_return where;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, passes, [](asked what) {
    martlet::scheduler pool(what.threads);
    return pool.block_on(round()) == static_cast<long>(passes % members);
  });
}
