// The same between the main fibers of two threads, which never leave their thread.
#include <barrier>
#include <thread>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long rounds = 50'000;

using channel = fibers::unbuffered_channel<long>;

void install(std::barrier<>& installed) {
  fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(2U);
  installed.arrive_and_wait();
}

void answer(std::barrier<>& installed, channel& requests, channel& replies) {
  install(installed);
  for (const long value : requests) {
    replies.push(value + 1);
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::barrier<> installed(2);
  channel requests;
  channel replies;
  std::jthread other([&] { answer(installed, requests, replies); });
  install(installed);
  const int code = report(count, arguments, rounds, [&](asked) {
    long value = 0;
    for (long i = 0; i < rounds; ++i) {
      requests.push(value);
      value = replies.value_pop();
    }
    return value == rounds;
  });
  requests.close();
  return code;
}
