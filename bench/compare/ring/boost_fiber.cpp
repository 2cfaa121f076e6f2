// Fibers in a ring of channels without buffers pass a number on until it is zero.
#include <cstddef>
#include <optional>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long passes = 1'000'000;
constexpr std::size_t members = 503;

using channel = fibers::unbuffered_channel<long>;

void pass_on(channel& in, channel& out, std::vector<channel>& all, long& passed) {
  for (const long number : in) {
    if (number == 0) {
      for (channel& each : all) {
        each.close();
      }
    } else {
      out.push(number - 1);
      ++passed;
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, passes, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    std::vector<channel> ring(members);
    std::vector<long> passed(members);
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i < members; ++i) {
      channel& out = ring[(i + 1) % members];
      all.emplace_back(pass_on, std::ref(ring[i]), std::ref(out), std::ref(ring), std::ref(passed[i]));
    }
    ring[0].push(passes);
    long sum = 0;
    for (std::size_t i = 0; i < members; ++i) {
      all[i].join();
      sum += passed[i];
    }
    return sum == passes;
  });
}
