// The same between two threads that watch a variable each: what the cores need to tell each other anything.
#include <atomic>
#include <thread>

#include "../support.hpp"

namespace {

constexpr long rounds = 50'000;

struct alignas(128) place {
  std::atomic<long> value{-1};

  long take() {
    long found = -1;
    while ((found = value.load(std::memory_order_acquire)) < 0) {}
    value.store(-1, std::memory_order_relaxed);
    return found;
  }
};

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked) {
    place request;
    place reply;
    std::thread other([&] {
      for (long i = 0; i < rounds; ++i) {
        reply.value.store(request.take() + 1, std::memory_order_release);
      }
    });
    long value = 0;
    for (long i = 0; i < rounds; ++i) {
      request.value.store(value, std::memory_order_release);
      value = reply.take();
    }
    other.join();
    return value == rounds;
  });
}
