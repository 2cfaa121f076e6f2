#include <martlet/channel.hpp>

#include <cstdio>
#include <fstream>
#include <string>
#include <system_error>

#include <sys/utsname.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

long resident_bytes() {
  std::ifstream file("/proc/self/statm");
  long size = 0;
  long resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

long available_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string name, unit; file >> name;) {
    long kib = 0;
    file >> kib >> unit;
    if (name == "MemAvailable:") {
      return kib << 10;
    }
    if (unit != "kB") {
      break;
    }
  }
  return 0;
}

bool has_light_guards() {
  utsname system{};
  ::uname(&system);
  int major = 0;
  int minor = 0;
  return std::sscanf(system.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 13));
}

task<> waits(channel<long>& in) { co_await in.receive(); }

TEST_SUITE("masses") {
  TEST_CASE("a million stackless tasklets park and are woken, in at most 192 bytes each") {
    scheduler pool(1);
    channel<long> c;
    const int count = scaled(1'000'000);
    const long before = resident_bytes();
    pool.block_on([](channel<long>& in, int n) -> task<> {
      for (int i = 0; i < n; ++i) {
        martlet::spawn(waits(in));
      }
      co_return;
    }(c, count));
    REQUIRE(eventually([&] { return c.balance() == -count; }));
    const long each = (resident_bytes() - before) / count;
    CHECK(frames_that_wait() == static_cast<std::size_t>(count));
#ifdef NDEBUG
    if constexpr (!is_watched) {
      CHECK(each <= 192);
    }
#endif
    MESSAGE(each, " bytes each");
    c.close();
    CHECK(eventually([&] { return pool.statistics().ended == static_cast<unsigned>(count) + 1; }));
    CHECK(c.balance() == 0);
  }

  TEST_CASE("a million guarded fibers park and are woken where the kernel has light guards, else spawn refuses") {
    scheduler pool(1);
    channel<long> c;
    // Where there is room: each takes 4.4 KiB, and the page tables 140 bytes.
    const bool has_room = available_bytes() > 7L << 30;
    const int count = fibers(by_level(20'000, has_room ? 1'000'000 : 200'000));
    MESSAGE(count, " fibers");
    int spawned = 0;
    bool is_refused = false;
    try {
      for (; spawned < count; ++spawned) {
        pool.spawn([&c] { martlet::await(c.receive()); });
      }
    } catch (const std::system_error&) {
      is_refused = true;
    }
    if (has_light_guards()) {
      CHECK(spawned == count);
    } else {
      CHECK((spawned == count || (is_refused && spawned > 10'000)));
    }
    REQUIRE(eventually([&] { return c.balance() == -spawned; }));
    c.close();
    CHECK(eventually([&] { return pool.statistics().ended == static_cast<unsigned>(spawned); }));
  }
}

}  // namespace
