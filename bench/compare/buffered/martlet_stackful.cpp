// Messages through one channel with places, from so many fibers to so many others.
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long messages = 1'000'000;
constexpr std::size_t places = 4096;

void send_share(martlet::channel<long>& to, long first, long step) {
  for (long i = first; i < messages; i += step) {
    martlet::await(to.send(i));
  }
}

long add_up(martlet::channel<long>& from) {
  long sum = 0;
  while (auto value = martlet::await(from.receive())) {
    sum += *value;
  }
  return sum;
}

long transfer(long senders, long receivers) {
  martlet::channel<long> through(places);
  std::vector<martlet::handle<long>> receiving;
  std::vector<martlet::handle<>> sending;
  for (long i = 0; i < receivers; ++i) {
    receiving.push_back(martlet::spawn([&] { return add_up(through); }));
  }
  for (long i = 0; i < senders; ++i) {
    sending.push_back(martlet::spawn([&through, i, senders] { send_share(through, i, senders); }));
  }
  for (auto& one : sending) {
    martlet::await(one.join());
  }
  through.close();
  long sum = 0;
  for (auto& one : receiving) {
    sum += martlet::await(one.join());
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, messages, [](asked what) {
    martlet::scheduler pool(what.threads);
    const long senders = what.variant.front() - '0';
    const long receivers = what.variant.back() - '0';
    const long sum = pool.block_on(pool.spawn([=] { return transfer(senders, receivers); }));
    return sum == messages * (messages - 1) / 2;
  });
}
