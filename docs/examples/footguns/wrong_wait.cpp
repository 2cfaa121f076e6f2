// Waiting in a way that belongs elsewhere: a thread's in a tasklet, a fiber's in a coroutine.
#include <mutex>
#include <string>

#include <martlet/martlet.hpp>

#include "holds.hpp"

martlet::task<int> answer() {
  co_await martlet::yield();
  co_return 42;
}

namespace broken {

// [broken]
martlet::task<int> ask(martlet::scheduler& pool) {
  co_return pool.block_on(answer());  // throws misuse: it would hold the worker that is to run answer()
}
// [end]

// [broken-await]
martlet::task<int> ask_here() {
  co_return martlet::await(answer());  // stops the program
}
// [end]

// [broken-lock]
martlet::task<> count(int& n, martlet::mutex& door) {
  const std::lock_guard held(door);  // lock() blocks: it stops the program in a coroutine, taken or not
  ++n;
  co_return;
}
// [end]

// [broken-helper]
void log_line(martlet::channel<std::string>& log, std::string line) {
  martlet::await(log.send(std::move(line)));  // right in a fiber; but who calls it?
}

martlet::task<> serve(martlet::channel<std::string>& log) {
  log_line(log, "began");  // a coroutine
  co_return;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<int> ask() {
  co_return co_await answer();  // as a part of this tasklet; or co_await martlet::spawn(answer())
}
// [end]

// [fixed-lock]
martlet::task<> count(int& n, martlet::mutex& door) {
  auto held = co_await door.acquire();
  ++n;
}
// [end]

// [fixed-helper]
auto log_line(martlet::channel<std::string>& log, std::string line) {
  return log.send(std::move(line));  // an operation: each caller waits in its own way
}

martlet::task<> serve(martlet::channel<std::string>& log) { co_await log_line(log, "began"); }
void serve_in_fiber(martlet::channel<std::string>& log) { martlet::await(log_line(log, "began")); }
// [end]

}  // namespace fixed

template <class Body>
bool is_stopped(Body body, const char* sentence) {
  const auto end = martlet::testing::in_child([&] {
    martlet::scheduler pool(1);
    pool.block_on(body());
  });
  return end.was_aborted() && end.said(sentence);
}

int main() {
  int n = 0;
  bool good = holds(is_stopped(broken::ask_here, "write co_await instead"), "await in a coroutine stops");
  good &= holds(is_stopped(
                    [&n]() -> martlet::task<> {
                      martlet::mutex door;
                      co_await broken::count(n, door);
                    },
                    "write co_await instead"),
                "lock() in a coroutine stops");
  good &= holds(is_stopped(
                    []() -> martlet::task<> {
                      martlet::channel<std::string> log(1);
                      co_await broken::serve(log);
                    },
                    "write co_await instead"),
                "a helper that awaits stops in a coroutine");
  martlet::scheduler pool(1);
  try {
    pool.block_on(broken::ask(pool));
    good = holds(false, "block_on throws in a tasklet");
  } catch (const martlet::misuse&) {}
  martlet::mutex door;
  martlet::channel<std::string> log(2);
  good &= holds(pool.block_on(fixed::ask()) == 42, "a task is awaited");
  pool.block_on(fixed::count(n, door));
  pool.block_on(fixed::serve(log));
  pool.block_on(pool.spawn([&] { fixed::serve_in_fiber(log); }));
  good &= holds(n == 1 && log.balance() == 2, "operations fit both");
  return good ? 0 : 1;
}
