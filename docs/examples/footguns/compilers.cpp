// Forms that g++ 12 compiles wrongly, without a warning, and how to write them.
#include <array>
#include <functional>
#include <memory>

#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken-condition]
struct reader {
  martlet::channel<int>& numbers;
  martlet::channel<int>& more;
  int total = 0;

  bool is_over(std::variant<std::optional<int>, std::optional<int>> first) {
    const auto& got = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
    total += got.value_or(0);
    return !got;
  }
  martlet::task<> run() {
    while (!is_over(co_await martlet::select(numbers.receive(), more.receive()))) {  // may never come back
    }
  }
};
// [end]

// [broken-list]
martlet::task<int> sum(martlet::channel<int>& one, martlet::channel<int>& two) {
  int total = 0;
  for (auto* from : {&one, &two}) {  // the list stays on the stack, which is gone after the wait
    total += (co_await from->receive()).value_or(0);
  }
  co_return total;
}
// [end]

// [broken-capture]
martlet::task<int> open(std::unique_ptr<int> resource) {
  co_return co_await martlet::in_scope([resource = std::move(resource)](martlet::scope&) -> martlet::task<int> {
    co_return *resource;
  });
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed-condition]
struct reader {
  martlet::channel<int>& numbers;
  martlet::channel<int>& more;
  int total = 0;

  bool is_over(std::variant<std::optional<int>, std::optional<int>> first) {
    const auto& got = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
    total += got.value_or(0);
    return !got;
  }
  martlet::task<> run() {
    for (;;) {
      auto first = co_await martlet::select(numbers.receive(), more.receive());  // a statement of its own
      if (is_over(std::move(first))) {
        co_return;
      }
    }
  }
};
// [end]

// [fixed-list]
martlet::task<int> sum(martlet::channel<int>& one, martlet::channel<int>& two) {
  int total = 0;
  const std::array both = {&one, &two};  // in the frame
  for (auto* from : both) {
    total += (co_await from->receive()).value_or(0);
  }
  co_return total;
}
// [end]

// [fixed-capture]
martlet::task<int> open(std::unique_ptr<int> resource) {
  co_return co_await martlet::in_scope([&](martlet::scope&) -> martlet::task<int> { co_return *resource; });
}

martlet::task<int> open_named(std::unique_ptr<int> resource) {
  auto body = [resource = std::move(resource)](martlet::scope&) -> martlet::task<int> { co_return *resource; };
  co_return co_await martlet::in_scope(std::ref(body));
}
// [end]

}  // namespace fixed

int main() {
  static_cast<void>(&broken::reader::run);  // right under clang and g++ 13
  static_cast<void>(&broken::sum);
  static_cast<void>(&broken::open);
  martlet::scheduler pool(1);
  martlet::channel<int> one(4);
  martlet::channel<int> two;
  martlet::await(one.send(3));
  martlet::await(one.send(4));
  one.close();
  fixed::reader reading{one, two};
  pool.block_on(reading.run());
  bool good = holds(reading.total == 7, "a select in a statement of its own");
  two.close();
  good &= holds(pool.block_on(fixed::sum(one, two)) == 0, "an array in the frame");
  good &= holds(pool.block_on(fixed::open(std::make_unique<int>(1))) == 1, "captures by reference");
  good &= holds(pool.block_on(fixed::open_named(std::make_unique<int>(2))) == 2, "a lambda with a name");
  return good ? 0 : 1;
}
