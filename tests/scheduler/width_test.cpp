#include <martlet/base/processors.hpp>
#include <martlet/base/topology.hpp>
#include <martlet/scheduler.hpp>

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "in_child.hpp"
#include "victims.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::detail::victim_groups;
using martlet::detail::victims_of;
namespace base = martlet::base;

// Sets MARTLET_WORKERS for as long as it lives, and puts back what was there.
class environment {
 public:
  explicit environment(const char* value) {
    if (const char* before = std::getenv(name); before != nullptr) {
      had_ = true;
      before_ = before;
    }
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() { had_ ? ::setenv(name, before_.c_str(), 1) : ::unsetenv(name); }

 private:
  static constexpr const char* name = "MARTLET_WORKERS";
  bool had_ = false;
  std::string before_;
};

TEST_SUITE("how many workers") {
  TEST_CASE("by default as many as there are usable processors") {
    const environment none(nullptr);
    CHECK(scheduler().worker_count() == base::usable_processors());
    const environment empty("");
    CHECK(scheduler().worker_count() == base::usable_processors());
  }

  TEST_CASE("the environment changes the default, each time it is asked, and no explicit count") {
    const environment three("3");
    CHECK(scheduler().worker_count() == 3);
    CHECK(scheduler(2).worker_count() == 2);
    const environment five("5");
    CHECK(scheduler().worker_count() == 5);
  }

  TEST_CASE("what is no count in the environment is misuse, and says what was found") {
    for (const char* value : {"abc", "-3", "0", "99999999", "4097", "3x", " 3", "3 ", "+3", "99999999999999999999"}) {
      CAPTURE(value);
      const environment wrong(value);
      std::string said;
      try {
        const scheduler pool;
      } catch (const martlet::misuse& e) {
        said = e.what();
      }
      CHECK(said.find("MARTLET_WORKERS") != std::string::npos);
      CHECK(said.find(std::string("found \"") + value + "\"") != std::string::npos);
      CHECK(scheduler(2).worker_count() == 2);
    }
  }
}

// The processor on which each worker may run; more than one counts as CPU_SETSIZE.
std::vector<int> places_of_workers(unsigned count) {
  std::mutex guard;
  std::vector<int> places;
  {
    // Asked at the end: who starts a worker pins it, perhaps a moment after it began.
    const scheduler pool({.workers = static_cast<int>(count), .pin_workers = true, .on_worker_stop = [&] {
                            cpu_set_t mask;
                            CPU_ZERO(&mask);
                            sched_getaffinity(0, sizeof mask, &mask);
                            const std::lock_guard lock(guard);
                            places.push_back(CPU_COUNT(&mask) == 1 ? sched_getcpu() : CPU_SETSIZE);
                          }});
  }
  return places;
}

// Makes every later sched_setaffinity of this process fail, as a sandbox may.
void forbid_pinning() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = sizeof rules / sizeof rules[0], .filter = rules};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(77);
  }
}

TEST_SUITE("pinned workers") {
  TEST_CASE("the first workers have a processor each, in the order of the machine, and more of them begin anew") {
    const auto order = base::processors_in_order();
    REQUIRE(!order.empty());
    for (const unsigned count : {1U, static_cast<unsigned>(order.size()), static_cast<unsigned>(order.size()) + 1}) {
      std::multiset<int> expected;
      for (unsigned i = 0; i < count; ++i) {
        expected.insert(static_cast<int>(order[i % order.size()].number));
      }
      const auto places = places_of_workers(count);
      CHECK(std::multiset<int>(places.begin(), places.end()) == expected);
    }
  }

  TEST_CASE("the thread that makes the scheduler keeps its mask") {
    cpu_set_t before;
    cpu_set_t after;
    CPU_ZERO(&before);
    CPU_ZERO(&after);
    sched_getaffinity(0, sizeof before, &before);
    const scheduler pool({.workers = 2, .pin_workers = true});
    sched_getaffinity(0, sizeof after, &after);
    CHECK(CPU_EQUAL(&before, &after));
  }

  TEST_CASE(
      "where the system forbids it the scheduler is not made, and the error says which worker and which processor") {
    const child_end end = in_child([] {
      forbid_pinning();
      try {
        const scheduler pool({.workers = 2, .pin_workers = true});
      } catch (const std::system_error& e) {
        const std::string said = e.what();
        const bool names = said.find("worker 0 could not be pinned to processor ") != std::string::npos;
        ::_exit(e.code() == std::errc::operation_not_permitted && names ? 5 : 6);
      }
    });
    REQUIRE(!end.exited_with(77));
    CHECK(end.exited_with(5));
  }
}

TEST_SUITE("victims") {
  TEST_CASE("unpinned workers are one group, without the thief") {
    CHECK(victims_of(0, 1, {}).empty());
    CHECK(victims_of(1, 3, {}) == victim_groups{{0, 2}});
  }

  TEST_CASE("a pinned one looks at its node first, then at its package, then at the rest; lent threads are far") {
    const std::vector<base::processor> places = {
        {.number = 0, .core = 0, .package = 0, .node = 0}, {.number = 2, .core = 1, .package = 0, .node = 0},
        {.number = 4, .core = 2, .package = 0, .node = 1}, {.number = 6, .core = 3, .package = 1, .node = 2},
        {.number = 1, .core = 0, .package = 0, .node = 0},
    };
    CHECK(victims_of(0, 7, places) == victim_groups{{1, 4}, {2}, {3, 5, 6}});
    CHECK(victims_of(2, 7, places) == victim_groups{{0, 1, 4}, {3, 5, 6}});
    CHECK(victims_of(3, 5, places) == victim_groups{{0, 1, 2, 4}});
    CHECK(victims_of(5, 7, places) == victim_groups{{0, 1, 2, 3, 4, 6}});
  }

  TEST_CASE("on a machine of two nodes each worker steals from its own half first" *
            doctest::skip(base::processors_of("pu:1").empty())) {
    const auto places = base::processors_of("node:2 core:4 pu:2");
    REQUIRE(places.size() == 16);
    for (std::size_t thief = 0; thief < 16; ++thief) {
      const auto groups = victims_of(thief, 16, places);
      REQUIRE(groups.size() == 2);
      CHECK(groups[0].size() == 7);
      CHECK(groups[1].size() == 8);
      for (const std::size_t near : groups[0]) {
        CHECK(places[near].node == places[thief].node);
      }
    }
  }
}

}  // namespace
