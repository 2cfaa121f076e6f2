// The same with one thread and a mutex of the system that nobody else wants.
#include <mutex>

#include "../support.hpp"

namespace {

constexpr long rounds = 2'000'000;

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked) {
    std::mutex door;
    long counter = 0;
    for (long i = 0; i < rounds; ++i) {
      const std::lock_guard held(door);
      asm volatile("" : "+r"(counter));
      ++counter;
    }
    return counter == rounds;
  });
}
