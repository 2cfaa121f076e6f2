// The same without tasklets: a call.
#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] long twice(long value) {
  asm volatile("" : "+r"(value));
  return 2 * value;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked) {
    long sum = 0;
    for (long i = 0; i < children; ++i) {
      sum += twice(i);
    }
    return sum == children * (children - 1);
  });
}
