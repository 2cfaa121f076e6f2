// Handles that are dropped, and tasklets that are joined twice.
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include <martlet/martlet.hpp>

#include "holds.hpp"

using namespace std::chrono_literals;

martlet::task<std::string> load() {
  co_await martlet::yield();
  co_return "a text that is too long for the string itself";
}

martlet::task<> save() {
  throw std::runtime_error("disk full");
  co_return;
}

martlet::task<> save_slowly() { co_await martlet::sleep_for(20ms); }

namespace broken {

// [broken]
martlet::task<bool> save_all() {
  martlet::spawn(save());  // the handle is dropped: it may fail, and may run longer than save_all
  co_return true;
}
// [end]

// [broken-twice]
martlet::task<bool> both_have_it() {
  auto text = martlet::spawn(load());
  const std::string first = co_await text.join();  // moves the result out
  const std::string second = co_await text.join();
  co_return first == second;
}
// [end]

// [broken-two]
martlet::task<> two_wait(martlet::handle<std::string>& text) {
  co_await martlet::in_scope([&](martlet::scope& both) -> martlet::task<> {
    both.spawn([&]() -> martlet::task<> { co_await text.join(); });
    both.spawn([&]() -> martlet::task<> { co_await text.join(); });  // stops the program
    co_return;
  });
}
// [end]

// [broken-drop]
martlet::task<> tell_when_saved() {
  auto saving = martlet::spawn(save_slowly());
  martlet::spawn([&saving]() -> martlet::task<> {
    co_await saving.join();
    std::puts("saved");
  });
  co_await martlet::sleep_for(1ms);
}  // the handle goes, with the other one in its join: stops the program
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<bool> save_all() {
  co_await martlet::in_scope([](martlet::scope& children) -> martlet::task<> {
    children.spawn(save());
    co_return;
  });  // it has ended; if it failed this throws
  co_return true;
}
// [end]

// [fixed-twice]
martlet::task<bool> both_have_it() {
  auto text = martlet::spawn(load());
  const std::string first = co_await text.join();
  const std::string second = first;
  co_return first == second;
}
// [end]

// [fixed-drop]
martlet::task<> tell_when_saved() {
  martlet::spawn([](martlet::handle<> saving) -> martlet::task<> {
    co_await saving.join();
    std::puts("saved");
  }(martlet::spawn(save_slowly())));
  co_await martlet::sleep_for(1ms);
}
// [end]

// [fixed-two]
struct shared_text {
  std::string text;
  martlet::event is_there;

  martlet::task<> fetch() {  // one joins, or loads, and tells all others
    text = co_await load();
    is_there.set();
  }
  martlet::task<std::size_t> size() {
    co_await is_there.wait();
    co_return text.size();
  }
};
// [end]

}  // namespace fixed

int main() {
  bool good = true;
  const auto stopped = martlet::testing::in_child([] {
    martlet::scheduler pool(1);
    martlet::event never;
    auto waiting = pool.spawn([&]() -> martlet::task<std::string> {
      co_await never.wait();
      co_return "";
    });
    pool.block_on(broken::two_wait(waiting));
  });
  good &= holds(stopped.was_aborted() && stopped.said("join a tasklet once"), "two who wait in join stop the program");
  const auto dropped = martlet::testing::in_child([] {
    martlet::scheduler pool(1);
    pool.block_on(broken::tell_when_saved());
  });
  good &= holds(dropped.was_aborted() && dropped.said("was dropped while another tasklet waits in its join"),
                "a handle that goes before its join ends stops the program");
  martlet::base::atomic<int> unheard{0};
  {
    martlet::scheduler pool({.workers = 1,
                             .on_unhandled = [&](const std::exception_ptr&, martlet::site) { ++unheard; }});
    good &= holds(pool.block_on(broken::save_all()), "who drops a handle does not hear of the failure");
  }
  good &= holds(unheard == 1, "on_unhandled does");
  martlet::scheduler pool;
  try {
    pool.block_on(fixed::save_all());
    good = holds(false, "a scope throws what its children threw");
  } catch (const std::runtime_error&) {}
  try {
    pool.block_on(broken::both_have_it());
    good = holds(false, "the second join is refused");
  } catch (const martlet::misuse&) {}
  good &= holds(pool.block_on(fixed::both_have_it()), "a copy is the same");
  pool.block_on(fixed::tell_when_saved());
  fixed::shared_text text;
  auto size = pool.spawn(text.size());
  pool.block_on(text.fetch());
  good &= holds(pool.block_on(std::move(size)) == text.text.size(), "any number may wait for an event");
  return good ? 0 : 1;
}
