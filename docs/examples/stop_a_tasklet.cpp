// Everything that stops a tasklet, and what it does then.
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <martlet/martlet.hpp>

using namespace std::chrono_literals;

martlet::task<> serve(martlet::channel<int>& requests, martlet::channel<std::string>& replies) {
  while (auto request = co_await requests.receive()) {
    co_await replies.send(std::to_string(*request));
  }
}

void stop_one(martlet::scheduler& pool, martlet::channel<int>& requests, martlet::channel<std::string>& replies) {
  auto serving = pool.spawn(serve(requests, replies));
  serving.cancel();  // asks, and does not wait
  try {
    pool.block_on(std::move(serving));  // waits for the end
  } catch (const martlet::cancelled&) {
    std::puts("stopped");
  }
}

martlet::task<> serve_for_a_while(martlet::channel<int>& requests, martlet::channel<std::string>& replies) {
  co_await martlet::in_scope([&](martlet::scope& servers) -> martlet::task<> {
    for (int i = 0; i < 4; ++i) {
      servers.spawn(serve(requests, replies));
    }
    co_await martlet::sleep_for(10ms);
    servers.cancel();  // all four, and this function, if it waited again
  });                  // all have ended
}

martlet::task<int> count_primes(int limit) {
  int count = 0;
  for (int n = 2; n < limit; ++n) {
    bool is_prime = true;
    for (int d = 2; d * d <= n && is_prime; ++d) {
      is_prime = n % d != 0;
    }
    count += is_prime ? 1 : 0;
    if (n % 1024 == 0) {
      co_await martlet::yield();  // lets others run, and throws when it was asked to stop
    }
  }
  co_return count;
}

martlet::task<> talk(martlet::channel<std::string>& peer) {
  std::exception_ptr failure;
  try {
    for (;;) {
      co_await peer.send("hello");
    }
  } catch (...) {
    failure = std::current_exception();  // a coroutine cannot wait in here
  }
  {
    martlet::shield undisturbed;
    try {
      co_await martlet::within(1s, peer.send("goodbye"));
    } catch (const martlet::deadline_passed&) {
      std::puts("nobody was there to hear it");
    }
  }
  std::rethrow_exception(failure);
}

bool end(martlet::scheduler& pool) {
  const auto left = pool.shutdown(5s);  // they may end by themselves for so long, then they are asked to
  if (!left.is_complete()) {
    std::fputs(left.text().c_str(), stderr);  // how many, what they do, where they were spawned
  }
  return left.is_complete();
}

int main() {
  martlet::channel<int> requests;
  martlet::channel<std::string> replies;
  martlet::channel<std::string> peer;
  martlet::scheduler pool(2);
  stop_one(pool, requests, replies);
  pool.block_on(serve_for_a_while(requests, replies));
  const bool counted = pool.block_on(count_primes(10'000)) == 1229;

  auto talking = pool.spawn(talk(peer));
  const bool greeted = martlet::await(peer.receive()) == "hello";
  talking.cancel();
  std::string last;
  while (last != "goodbye") {
    last = *martlet::await(peer.receive());
  }
  bool let_pass = false;
  try {
    pool.block_on(std::move(talking));
  } catch (const martlet::cancelled&) {
    let_pass = true;
  }

  pool.spawn(count_primes(1'000'000'000));  // nobody waits for it
  pool.spawn(count_primes(10));
  const auto left = pool.shutdown(0s);
  return counted && greeted && let_pass && left.is_complete() && end(pool) ? 0 : 1;
}
