// The same without tasklets: calls of a function that does nothing.
#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] void nothing(long& ended) {
  asm volatile("" : : "r"(&ended) : "memory");
  ++ended;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked) {
    long ended = 0;
    for (long i = 0; i < children; ++i) {
      nothing(ended);
    }
    return ended == children;
  });
}
