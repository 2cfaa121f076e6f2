// A fiber's stack is small: recursion and large arrays.
#include <array>
#include <cstddef>
#include <vector>

#include <sys/resource.h>

#include <martlet/martlet.hpp>

#include "holds.hpp"

[[gnu::noinline]] std::size_t nested(int depth) {
  volatile char local[256] = {};
  local[0] = 1;
  return depth == 0 ? 0 : nested(depth - 1) + static_cast<std::size_t>(local[0]);
}

namespace broken {

// [broken]
std::size_t parse(martlet::scheduler& pool) {
  return pool.block_on(pool.spawn([] { return nested(2000); }));  // some 600 KiB, on a stack of 64
}
// [end]

// [broken-array]
std::size_t read_all(martlet::channel<std::byte>& from) {
  std::array<std::byte, 100'000> buffer;  // jumps over the guard page, perhaps into another tasklet's stack
  std::size_t count = 0;
  while (auto next = martlet::await(from.receive())) {
    buffer[count++] = *next;
  }
  return count;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
std::size_t parse(martlet::scheduler& pool) {
  return pool.block_on(pool.spawn([] { return nested(2000); }, {.stack_size = 2 << 20}));
}
// [end]

// [fixed-array]
std::size_t read_all(martlet::channel<std::byte>& from) {
  std::vector<std::byte> buffer(100'000);  // on the heap
  std::size_t count = 0;
  while (auto next = martlet::await(from.receive())) {
    buffer[count++] = *next;
  }
  return count;
}
// [end]

}  // namespace fixed

int main() {
  static_cast<void>(&broken::read_all);  // overwrites what is not its own
  const auto died = martlet::testing::in_child([] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    martlet::scheduler pool(1);
    broken::parse(pool);
  });
  bool good = holds(!died.exited_with(0) && died.said("a tasklet's stack overflowed: it has 65536 bytes"),
                    "an overflow ends the program and says whose it was");
  martlet::scheduler pool(1);
  good &= holds(fixed::parse(pool) == 2000, "a larger stack suffices");
  martlet::channel<std::byte> bytes(4);
  auto count = pool.spawn([&] { return fixed::read_all(bytes); });
  martlet::await(bytes.send(std::byte{1}));
  bytes.close();
  good &= holds(pool.block_on(std::move(count)) == 1, "an array on the heap costs no stack");
  return good ? 0 : 1;
}
