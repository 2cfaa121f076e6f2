// Operations do nothing until they are awaited; values have to move without a throw.
#include <memory>
#include <string>
#include <type_traits>

#include <martlet/martlet.hpp>

#include "holds.hpp"

struct message {
  std::string text;
  message() = default;
  message(const message&) = default;  // and so no move: "moving" copies, which may throw
  message& operator=(const message&) = default;
  ~message() = default;
};

namespace broken {

// [broken]
martlet::task<> notify(martlet::channel<std::string>& log) {
  auto sending = log.send("began");  // an object in this frame; nothing is sent
  static_cast<void>(sending);
  co_return;
}
// [end]

// [broken-guard]
martlet::task<> count(int& n, martlet::mutex& door) {
  static_cast<void>(co_await door.acquire());  // the guard ends here, and lets go
  const int before = n;
  co_await martlet::yield();
  n = before + 1;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<> notify(martlet::channel<std::string>& log) { co_await log.send("began"); }
// [end]

// [fixed-guard]
martlet::task<> count(int& n, martlet::mutex& door) {
  auto held = co_await door.acquire();
  const int before = n;
  co_await martlet::yield();
  n = before + 1;
}
// [end]

// [fixed-value]
static_assert(!std::is_nothrow_move_constructible_v<message>);  // martlet::channel<message> does not compile

martlet::channel<std::unique_ptr<message>> messages(1);
// [end]

}  // namespace fixed

int main() {
  martlet::channel<std::string> log(2);
  martlet::mutex door;
  martlet::mutex other;
  martlet::scheduler pool(1);
  pool.block_on(broken::notify(log));
  bool good = holds(log.balance() == 0, "an operation that nobody awaits does nothing");
  pool.block_on(fixed::notify(log));
  good &= holds(log.balance() == 1, "one that is awaited does it");
  int unguarded = 0;
  int guarded = 0;
  pool.block_on(martlet::in_scope([&](martlet::scope& all) -> martlet::task<> {
    for (int i = 0; i < 10; ++i) {
      all.spawn(broken::count(unguarded, other));
      all.spawn(fixed::count(guarded, door));
    }
    co_return;
  }));
  good &= holds(unguarded < 10, "a guard that is dropped lets go");
  good &= holds(guarded == 10, "one that is kept does not");
  martlet::await(fixed::messages.send(std::make_unique<message>()));
  good &= holds(fixed::messages.balance() == 1, "a pointer moves without a throw");
  return good ? 0 : 1;
}
