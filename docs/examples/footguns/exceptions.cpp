// Exceptions and waits: what is safe, and what a coroutine has to write differently.
#include <exception>
#include <stdexcept>
#include <string>

#include <martlet/martlet.hpp>

#include "holds.hpp"

martlet::task<> work() {
  co_await martlet::yield();
  throw std::runtime_error("no route");
}

namespace broken {

// [broken]
martlet::task<> serve(martlet::channel<std::string>& log) {
  try {
    co_await work();
  } catch (const std::exception& error) {
    martlet::await(log.send(error.what()));  // C++ has no co_await here, and this stops the program
  }
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<> serve(martlet::channel<std::string>& log) {
  std::string failure;
  try {
    co_await work();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) {
    co_await log.send(failure);
  }
}
// [end]

// [fiber]
void serve_in_fiber(martlet::channel<std::string>& log) {
  try {
    martlet::await(work());
  } catch (const std::exception& error) {
    martlet::await(log.send(error.what()));  // goes on on another thread, with the exception
    martlet::await(log.send(error.what()));
    throw;
  }
}
// [end]

}  // namespace fixed

namespace broken {

// [broken-destructor]
struct audit {
  martlet::channel<std::string>& log;
  ~audit() { martlet::await(log.send("left")); }  // a wait that throws here, of a cancelled fiber too, ends the program
};
// [end]

}  // namespace broken

namespace fixed {

// [fixed-destructor]
struct audit {
  martlet::channel<std::string>& log;
  ~audit() {
    martlet::shield undisturbed;  // no cancel is thrown here
    try {
      martlet::await(log.send("left"));
    } catch (const martlet::channel_closed&) {}
  }
};
// [end]

}  // namespace fixed

template <class Audit>
void leaves_cancelled() {
  martlet::scheduler pool(1);
  martlet::channel<std::string> log(4);
  auto leaving = pool.spawn([&] {
    const Audit on_the_way{log};
    martlet::await(martlet::sleep_for(std::chrono::hours(1)));
  });
  while (leaving.state() != martlet::status::blocked) {}
  leaving.cancel();
  try {
    pool.block_on(std::move(leaving));
  } catch (const martlet::cancelled&) {}
}

int main() {
  bool good = true;
  const auto stopped = martlet::testing::in_child([] {
    martlet::scheduler pool(1);
    martlet::channel<std::string> log(4);
    pool.block_on(broken::serve(log));
  });
  good &=
      holds(stopped.was_aborted() && stopped.said("write co_await instead"), "await in a coroutine stops the program");
  good &= holds(martlet::testing::in_child(leaves_cancelled<broken::audit>).was_aborted(),
                "a destructor that throws ends the program");
  good &=
      holds(martlet::testing::in_child(leaves_cancelled<fixed::audit>).exited_with(0), "one behind a shield does not");
  martlet::scheduler pool({.workers = 2, .migrate_always = true});
  martlet::channel<std::string> log(4);
  pool.block_on(fixed::serve(log));
  try {
    pool.block_on(pool.spawn([&] { fixed::serve_in_fiber(log); }));
    good = holds(false, "the exception goes on");
  } catch (const std::runtime_error& error) {
    good &= holds(error.what() == std::string("no route"), "it is still the same");
  }
  good &= holds(log.balance() == 3, "all has been logged");
  return good ? 0 : 1;
}
