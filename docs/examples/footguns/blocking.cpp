// What holds a worker: calls that block, and computations that never wait.
#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <string>

#include <martlet/martlet.hpp>

#include "holds.hpp"

std::string read_whole_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

namespace broken {

// [broken]
martlet::task<std::string> load(std::string path) {
  co_return read_whole_file(path);  // the worker waits for the disk, and with it everybody here
}
// [end]

// [broken-future]
martlet::task<int> ask(martlet::scheduler& pool) {
  std::promise<int> answer;
  auto other = pool.spawn([&] { answer.set_value(42); });
  co_return answer.get_future().get();  // on one worker, or when all do so: for ever
}
// [end]

// [broken-spin]
void wait_until(const std::atomic<bool>& done) {
  while (!done) {}
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<std::string> load(std::string path) {
  co_return co_await martlet::blocking([&] { return read_whole_file(path); });
}
// [end]

// [fixed-future]
martlet::task<int> ask(martlet::scheduler& pool) {
  auto answer = pool.spawn([] { return 42; });
  co_return co_await answer.join();  // or a channel, or an event
}
// [end]

// [fixed-spin]
void wait_until(const std::atomic<bool>& done) {
  while (!done) {
    martlet::await(martlet::yield());  // into long computations, too: every few hundred microseconds
  }
}
// [end]

}  // namespace fixed

int main() {
  static_cast<void>(&broken::ask);  // they wait for ever on one worker
  static_cast<void>(&broken::wait_until);
  martlet::scheduler pool(1);
  bool good =
      holds(pool.block_on(fixed::load("/proc/self/status")).starts_with("Name:"), "the file was read elsewhere");
  good &= holds(pool.block_on(broken::load("/proc/self/status")).starts_with("Name:"), "it works, at everybody's cost");
  good &= holds(pool.block_on(fixed::ask(pool)) == 42, "a join lets the other run");
  std::atomic<bool> done = false;
  auto waiting = pool.spawn([&] { fixed::wait_until(done); });
  pool.block_on(pool.spawn([&] { done = true; }));
  pool.block_on(std::move(waiting));
  return good ? 0 : 1;
}
