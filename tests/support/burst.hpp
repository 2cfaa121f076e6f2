#pragma once

#include <chrono>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "resident.hpp"
#include "scale.hpp"

namespace martlet::testing {

inline task<> waits_for_a_number(channel<int>& in) { co_await in.receive(); }

/// Has `count` tasklets of one kind wait at once, ends them, and checks that their memory goes back to the system.
inline void check_memory_returns(int count, bool stackful) {
  scheduler pool(2);
  channel<int> never_sent;
  const auto burst = [&](int many) {
    pool.block_on([](channel<int>& in, int n, bool fibers) -> task<> {
      for (int i = 0; i < n; ++i) {
        if (fibers) {
          martlet::spawn([&in] { martlet::await(in.receive()); });
        } else {
          martlet::spawn(waits_for_a_number(in));
        }
      }
      co_return;
    }(never_sent, many, stackful));
    REQUIRE(eventually([&] { return never_sent.balance() == -many; }));
  };
  burst(100);  // what the process needs once is there afterwards
  for (int i = 0; i < 100; ++i) {
    martlet::await(never_sent.send(1));
  }
  const long before = resident_bytes();
  burst(count);
  const long at_most = resident_bytes();
  // From a tasklet: what is woken from outside goes through a queue whose memory malloc keeps.
  pool.block_on([](channel<int>& in) -> task<> {
    in.close();
    co_return;
  }(never_sent));
  REQUIRE(eventually([&] { return pool.statistics().ended == pool.statistics().spawned; }));
  const long after = resident_bytes();
  const bool has_returned =
      eventually([&] { return resident_bytes() <= before + before / 5; }, std::chrono::seconds(10));
  MESSAGE("KiB before ", before >> 10, ", at most ", at_most >> 10, ", when all had ended ", after >> 10, ", later ",
          resident_bytes() >> 10);
  if constexpr (!is_watched) {  // a sanitizer keeps what was freed
    CHECK(has_returned);
  }
}

}  // namespace martlet::testing
