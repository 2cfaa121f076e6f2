// The same by hand: two objects with a step each, called in turn through a pointer.
#include <array>
#include <cstddef>

#include "../support.hpp"

namespace {

constexpr long rounds = 2'000'000;  // of each

struct turns {
  long taken = 0;
  static bool step(turns& self) { return ++self.taken < rounds; }
};

struct entry {
  bool (*step)(turns&);
  turns* what;
};

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, 2 * rounds, [](asked) {
    std::array<turns, 2> all;
    std::array<entry, 2> queue{{{&turns::step, &all[0]}, {&turns::step, &all[1]}}};
    asm volatile("" : : "r"(queue.data()) : "memory");  // the compiler is not to know whom it calls
    for (std::size_t i = 0, running = 2; running != 0; ++i) {
      running -= queue[i % 2].step(*queue[i % 2].what) ? 0 : 1;
    }
    return all[0].taken + all[1].taken == 2 * rounds;
  });
}
