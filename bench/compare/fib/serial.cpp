// The same without tasklets: calls.
#include "../support.hpp"

namespace {

constexpr int n = 36;
constexpr long answer = 14'930'352;
constexpr long calls = 48'315'633;

[[gnu::noinline]] long fib(int of) {
  asm volatile("" : "+r"(of));
  return of < 2 ? of : fib(of - 1) + fib(of - 2);
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, calls, [](asked) { return fib(n) == answer; });
}
