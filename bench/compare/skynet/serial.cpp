// The same without tasklets: calls.
#include "../support.hpp"

namespace {

constexpr long leaves = 1'000'000;

[[gnu::noinline]] long node(long first, long size) {
  asm volatile("" : "+r"(first));
  if (size == 1) {
    return first;
  }
  long sum = 0;
  const long part = size / 10;
  for (long i = 0; i < 10; ++i) {
    sum += node(first + i * part, part);
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  return report_ms(count, arguments, [](asked) { return node(0, leaves) == leaves * (leaves - 1) / 2; });
}
