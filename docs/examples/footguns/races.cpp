// A race that no sanitizer sees: between two waits of one tasklet another one has run, on the same thread.
#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken]
martlet::task<> deposit(int& balance) {
  const int before = balance;
  co_await martlet::yield();  // any wait: another tasklet deposits meanwhile
  balance = before + 1;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<> deposit(int& balance, martlet::mutex& door) {
  auto held = co_await door.acquire();
  const int before = balance;
  co_await martlet::yield();
  balance = before + 1;
}
// [end]

}  // namespace fixed

int main() {
  martlet::mutex door;
  int lossy = 0;
  int right = 0;
  martlet::scheduler pool(1);  // one thread: no access is at the same time as another
  pool.block_on(martlet::in_scope([&](martlet::scope& all) -> martlet::task<> {
    for (int i = 0; i < 10; ++i) {
      all.spawn(broken::deposit(lossy));
      all.spawn(fixed::deposit(right, door));
    }
    co_return;
  }));
  bool good = holds(lossy < 10, "deposits are lost over a wait");
  good &= holds(right == 10, "none is lost under a mutex");
  return good ? 0 : 1;
}
