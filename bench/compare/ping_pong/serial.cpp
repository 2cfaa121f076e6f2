// The same without tasklets: the other side is a function.
#include "../support.hpp"

namespace {

constexpr long rounds = 1'000'000;

[[gnu::noinline]] long answer(long value) {
  asm volatile("" : "+r"(value));
  return value + 1;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked) {
    long value = 0;
    for (long i = 0; i < rounds; ++i) {
      value = answer(value);
    }
    return value == rounds;
  });
}
