// Time limits: of one wait, of a task with all that it does, of everything in a scope.
#include <chrono>
#include <optional>
#include <string>

#include <martlet/martlet.hpp>

using namespace std::chrono_literals;

martlet::task<std::string> fetch(std::string name, std::chrono::milliseconds takes) {
  co_await martlet::sleep_for(takes);
  co_return "page of " + name;
}

martlet::task<std::optional<int>> next_order(martlet::channel<int>& orders) {
  try {
    co_return co_await martlet::within(50ms, orders.receive());
  } catch (const martlet::deadline_passed&) {
    co_return std::nullopt;  // nothing was received
  }
}

martlet::task<std::string> fetch_soon(std::string name) {
  co_return co_await martlet::within(2s, fetch(std::move(name), 1ms));  // with all that it waits for
}

martlet::task<std::string> fetch_two(martlet::deadline by) {
  co_return co_await martlet::in_scope(by, [&](martlet::scope& both) -> martlet::task<std::string> {
    auto a = both.spawn(fetch("a", 1ms));
    auto b = both.spawn(fetch("b", 1ms));
    const std::string first = co_await a.join();
    co_return first + ", " + co_await b.join();
  });  // throws deadline_passed, when both have ended
}

martlet::task<std::string> fetch_nested() {
  const martlet::deadline by = 2s;  // counts from here, wherever it is used
  std::string pages = co_await fetch_two(by);
  try {
    pages += ", " + co_await martlet::within(5ms, fetch("c", 1h));  // the earlier one counts
  } catch (const martlet::deadline_passed&) {
    pages += ", no c";
  }
  co_return pages;
}

int tell_which(martlet::channel<int>& orders, martlet::channel<int>& returns) {
  auto first = martlet::await(martlet::select(orders.receive(), returns.receive(), martlet::sleep_for(5ms)));
  return static_cast<int>(first.index());  // 2: nothing came
}

std::string fetch_from_a_thread(martlet::scheduler& pool) {
  martlet::scope both(pool, 2s);  // a plain thread: an object, which needs the scheduler
  auto page = both.spawn(fetch("d", 1ms));
  both.join();
  return martlet::await(page.join());
}

bool is_cut_short(martlet::scheduler& pool) {
  try {
    pool.block_on(martlet::in_scope(5ms, [](martlet::scope& all) -> martlet::task<> {
      all.spawn(fetch("slow", 1h));
      all.spawn(fetch("slower", 2h));
      co_return;
    }));
    return false;
  } catch (const martlet::deadline_passed&) {
    return true;
  }
}

int main() {
  martlet::channel<int> orders;
  martlet::channel<int> returns;
  martlet::scheduler pool(2);
  bool good = !pool.block_on(next_order(orders)).has_value();
  good &= pool.block_on(fetch_soon("x")) == "page of x";
  good &= pool.block_on(fetch_nested()) == "page of a, page of b, no c";
  good &= tell_which(orders, returns) == 2;
  good &= fetch_from_a_thread(pool) == "page of d";
  good &= is_cut_short(pool);
  return good ? 0 : 1;
}
