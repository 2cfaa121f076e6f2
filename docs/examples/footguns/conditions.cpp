// Notices without a predicate, and readers that come twice.
#include <deque>

#include <martlet/martlet.hpp>

#include "holds.hpp"

struct queue {
  martlet::mutex door;
  martlet::condition changed;
  std::deque<int> items;

  martlet::task<> put(int item) {
    auto held = co_await door.acquire();
    items.push_back(item);
    changed.notify_one();
  }
};

namespace broken {

// [broken]
martlet::task<int> take(queue& from) {
  auto held = co_await from.door.acquire();
  co_await from.changed.wait(held);  // for ever, when the item is there already
  const int item = from.items.front();
  from.items.pop_front();
  co_return item;
}
// [end]

// [broken-readers]
martlet::task<int> read_both(martlet::shared_mutex& door, const int& value) {
  auto outer = co_await door.acquire_shared();
  auto inner = co_await door.acquire_shared();  // behind a writer who came meanwhile, and waits for `outer`
  co_return value;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<int> take(queue& from) {
  auto held = co_await from.door.acquire();
  co_await from.changed.wait(held, [&] { return !from.items.empty(); });
  const int item = from.items.front();
  from.items.pop_front();
  co_return item;
}
// [end]

// [fixed-readers]
int read_locked(const martlet::shared_mutex::shared_guard&, const int& value) { return value; }  // has to be held

martlet::task<int> read_both(martlet::shared_mutex& door, const int& value) {
  auto held = co_await door.acquire_shared();
  co_return read_locked(held, value);
}
// [end]

}  // namespace fixed

int main() {
  martlet::scheduler pool(1);
  queue one;
  pool.block_on(one.put(7));
  auto lost = pool.spawn(broken::take(one));
  while (lost.state() != martlet::status::blocked) {}
  bool good = holds(one.items.size() == 1, "who waits without a predicate misses what was there");
  lost.cancel();
  try {
    pool.block_on(std::move(lost));
  } catch (const martlet::cancelled&) {}
  good &= holds(pool.block_on(fixed::take(one)) == 7, "who looks first does not");
  static_cast<void>(&broken::read_both);  // may wait for ever
  martlet::shared_mutex door;
  auto outer = door.try_acquire_shared();
  auto writing = pool.spawn([&]() -> martlet::task<> { auto held = co_await door.acquire(); });
  while (writing.state() != martlet::status::blocked) {}
  good &= holds(!door.try_acquire_shared(), "who reads already stands behind a writer, too");
  outer.unlock();
  pool.block_on(std::move(writing));
  good &= holds(pool.block_on(fixed::read_both(door, 42)) == 42, "who locks once is served");
  return good ? 0 : 1;
}
