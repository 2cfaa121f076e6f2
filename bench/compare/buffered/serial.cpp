// The same by one loop: fill a ring of as many places, then empty it.
#include <vector>

#include "../support.hpp"

namespace {

constexpr long messages = 1'000'000;
constexpr std::size_t places = 4096;

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, messages, [](asked) {
    std::vector<long> ring(places);
    long sum = 0;
    for (long sent = 0, received = 0; received < messages;) {
      for (; sent < messages && sent - received < static_cast<long>(places); ++sent) {
        ring[static_cast<std::size_t>(sent) % places] = sent;
      }
      asm volatile("" : : "r"(ring.data()) : "memory");  // the compiler is not to see through it
      for (; received < sent; ++received) {
        sum += ring[static_cast<std::size_t>(received) % places];
      }
    }
    return sum == messages * (messages - 1) / 2;
  });
}
