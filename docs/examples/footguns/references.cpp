// References that a coroutine or a tasklet keeps, and what they refer to.
#include <string>
#include <vector>

#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken]
martlet::task<std::size_t> count(const std::string& text) {  // keeps a reference
  co_await martlet::yield();
  co_return text.size();
}

martlet::handle<std::size_t> start(martlet::scheduler& pool) {
  const std::string local = "a text that ends with start()";
  return pool.spawn(count(local));
}
// [end]

// [broken-lambda]
martlet::task<int> make(int n) {
  return [n]() -> martlet::task<int> {  // n lies in the lambda, which ends with this statement
    co_await martlet::yield();
    co_return n;
  }();
}
// [end]

// [broken-locals]
void start_all(martlet::scheduler& pool, const std::vector<std::string>& texts) {
  std::size_t total = 0;
  for (const std::string& text : texts) {
    pool.spawn([&] { total += text.size(); });  // runs when start_all has returned
  }
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<std::size_t> count(std::string text) {  // has its own
  co_await martlet::yield();
  co_return text.size();
}

martlet::handle<std::size_t> start(martlet::scheduler& pool) {
  const std::string local = "a text that ends with start()";
  return pool.spawn(count(local));
}
// [end]

// [fixed-lambda]
martlet::task<int> make(int n) {
  return [](int mine) -> martlet::task<int> {  // captures nothing: a parameter lies in the coroutine
    co_await martlet::yield();
    co_return mine;
  }(n);
}

martlet::handle<int> start_lambda(martlet::scheduler& pool, int n) {
  return pool.spawn([n]() -> martlet::task<int> {  // spawn keeps the lambda with the task; so does in_scope
    co_await martlet::yield();
    co_return n;
  });
}
// [end]

// [fixed-locals]
martlet::task<std::size_t> sum_all(const std::vector<std::string>& texts) {  // awaited by who owns the texts
  std::vector<std::size_t> sizes(texts.size());
  co_await martlet::in_scope([&](martlet::scope& children) -> martlet::task<> {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      children.spawn([&, i] { sizes[i] = texts[i].size(); });
    }
    co_return;
  });  // none of them is left here
  std::size_t total = 0;
  for (const std::size_t size : sizes) {
    total += size;
  }
  co_return total;
}
// [end]

}  // namespace fixed

int main() {
  static_cast<void>(&broken::start);  // undefined, all three
  static_cast<void>(&broken::make);
  static_cast<void>(&broken::start_all);
  martlet::scheduler pool;
  const std::vector<std::string> texts = {"one", "two", "three"};
  bool good = holds(pool.block_on(fixed::start(pool)) == 29, "the tasklet has a text of its own");
  good &= holds(pool.block_on(fixed::make(7)) == 7, "a parameter lives as long as the coroutine");
  good &= holds(pool.block_on(fixed::start_lambda(pool, 8)) == 8, "spawn keeps the lambda");
  good &= holds(pool.block_on(fixed::sum_all(texts)) == 11, "a scope ends before its locals do");
  return good ? 0 : 1;
}
