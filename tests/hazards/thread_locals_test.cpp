// Compilers keep the address of a thread-local over a switch. martlet's own is read by one function, which they cannot see
// through; everything that asks for its worker after a wait is asked here, inlined as far as it goes.
#include <martlet/martlet.hpp>

#include <map>
#include <mutex>
#include <thread>

#include <doctest/doctest.h>

#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using martlet::detail::current_host;
using martlet::detail::host;
using counter = martlet::base::atomic<int>;

// Which host belongs to which thread, noted by the threads themselves.
class hosts {
 public:
  void note_mine() {
    const std::lock_guard guard(lock_);
    of_[thread_now()] = current_host();
  }
  bool is_mine(const host* found) {
    const std::lock_guard guard(lock_);
    return of_.at(thread_now()) == found;
  }

 private:
  std::mutex lock_;
  std::map<std::thread::id, const host*> of_;
};

struct world {
  hosts known;
  channel<int> there;
  channel<int> back;
  counter moved{0};
  counter wrong{0};
  scheduler pool{{.workers = 2, .migrate_always = true, .on_worker_start = [this] { known.note_mine(); }}};
};

task<> plays(world& w, channel<int>& out, channel<int>& in, bool serves, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const auto before = thread_now();
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    if (serves) {
      co_await out.send(i);
    }
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    auto child = martlet::spawn([](int n) -> task<int> { co_return n; }(i));  // from this worker's frames, to its queue
    w.wrong += co_await in.receive() == i ? 0 : 1;
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    w.wrong += co_await child.join() == i ? 0 : 1;
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    if (!serves) {
      co_await out.send(i);
    }
    co_await martlet::yield();
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    w.moved += thread_now() == before ? 0 : 1;
  }
}

void plays_in_fiber(world& w, channel<int>& out, channel<int>& in, bool serves, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const auto before = thread_now();
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    if (serves) {
      martlet::await(out.send(i));
    }
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    auto child = martlet::spawn([i] { return i; });
    w.wrong += martlet::await(in.receive()) == i ? 0 : 1;
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    w.wrong += martlet::await(child.join()) == i ? 0 : 1;
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    if (!serves) {
      martlet::await(out.send(i));
    }
    martlet::await(martlet::yield());
    w.wrong += w.known.is_mine(current_host()) ? 0 : 1;
    w.moved += thread_now() == before ? 0 : 1;
  }
}

TEST_SUITE("thread-locals") {
  TEST_CASE("after every wait a coroutine finds the worker that it is on") {
    world w;
    const int rounds = scaled(2000);
    auto one = w.pool.spawn(plays(w, w.there, w.back, true, rounds));
    w.pool.block_on(plays(w, w.back, w.there, false, rounds));
    w.pool.block_on(std::move(one));
    CHECK(w.wrong == 0);
    CHECK(w.moved > 0);
  }

  TEST_CASE("so does a fiber") {
    world w;
    const int rounds = scaled(2000);
    auto one = w.pool.spawn([&] { plays_in_fiber(w, w.there, w.back, true, rounds); });
    auto other = w.pool.spawn([&] { plays_in_fiber(w, w.back, w.there, false, rounds); });
    w.pool.block_on(std::move(one));
    w.pool.block_on(std::move(other));
    CHECK(w.wrong == 0);
    CHECK(w.moved > 0);
  }
}

}  // namespace
