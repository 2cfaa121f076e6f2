// A value goes to another fiber and comes back raised by one, through channels without a buffer.
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long rounds = 1'000'000;

using channel = fibers::unbuffered_channel<long>;

void answer(channel& requests, channel& replies) {
  for (const long value : requests) {
    replies.push(value + 1);
  }
}

void ask(channel& requests, channel& replies, long& value) {
  for (long i = 0; i < rounds; ++i) {
    requests.push(value);
    value = replies.value_pop();
  }
  requests.close();
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, rounds, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    channel requests;
    channel replies;
    long value = 0;
    fibers::fiber answering(answer, std::ref(requests), std::ref(replies));
    fibers::fiber asking(ask, std::ref(requests), std::ref(replies), std::ref(value));
    asking.join();
    answering.join();
    return value == rounds;
  });
}
