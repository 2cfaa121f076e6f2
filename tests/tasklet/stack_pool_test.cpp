#include <martlet/tasklet/stack_pool.hpp>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/errors.hpp>

#include "in_child.hpp"

namespace {

using namespace martlet::detail;
namespace base = martlet::base;
using martlet::testing::in_child;

/// A pool that gives its address space back, so that one test's mappings do not limit the next one's.
struct test_pool : stack_pool {
  using stack_pool::stack_pool;
  ~test_pool() { unmap(); }
};

constexpr stack_pool_options with_mprotect{.light_guards = false};

std::size_t resident_bytes() {
  std::size_t pages[2] = {};
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%zu %zu", &pages[0], &pages[1]) != 2) {
      pages[1] = 0;
    }
    std::fclose(file);
  }
  return pages[1] * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Whether this kernel makes guards that cost no mapping, asked without the pool.
bool has_light_guards() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool worked = ::madvise(memory, page, 102) == 0;
  ::munmap(memory, page);
  return worked;
}

bool is_stress() {
  const char* level = std::getenv("MARTLET_TEST_LEVEL");
  return level != nullptr && std::string_view(level) != "quick";
}

void fill(const stack& one, int value) { std::memset(one.low, value, stack_span(one).size()); }

void trim(stack_pool& pool) {
  pool.begin_trim();
  while (pool.trim_some()) {}
}

const stack_pool* watched_pool = nullptr;
const std::byte* expected_low = nullptr;

// Exits with 42 when the fault lies in the guard of the expected stack, as the lookup sees it from a handler.
void judge_fault(int, siginfo_t* info, void*) {
  const auto hit = watched_pool->guard_of(info->si_addr);
  ::_exit(hit && hit->of.low == expected_low && hit->is_taken ? 42 : 43);
}

TEST_SUITE("stack_pool") {
  TEST_CASE("a stack has the size asked for, rounded up to a class, less its colour") {
    test_pool pool;
    for (const auto& [asked, given] : {std::pair<std::size_t, std::size_t>{0, 65536},
                                       {4096, 65536},
                                       {65536, 65536},
                                       {65537, 131072},
                                       {1 << 20, 1 << 20},
                                       {3 << 20, 4 << 20},
                                       {8 << 20, 8 << 20}}) {
      const stack one = pool.take(asked);
      CHECK(stack_span(one).size() <= given);
      CHECK(stack_span(one).size() + 31 * 64 >= given);
      CHECK(reinterpret_cast<std::uintptr_t>(one.low) % 4096 == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(one.top) % 64 == 0);
      fill(one, 1);
      pool.give_back(one);
    }
  }

  TEST_CASE("a size that cannot be meant is refused with what is expected, what was found and what to do") {
    test_pool pool;
    const auto refusal = [&pool](std::size_t bytes) {
      try {
        pool.take(bytes);
      } catch (const martlet::misuse& refused) {
        return std::string(refused.what());
      }
      return std::string("it was not refused");
    };
    CHECK(refusal(12) ==
          "martlet: a stack has 4096 to 8388608 bytes (0 for the default); 12 were asked for: stack_size counts bytes, "
          "not KiB");
    CHECK(refusal(4095).find("4095 were asked for") != std::string::npos);
    CHECK(refusal(stack_pool::largest_bytes + 1).find("8388609 were asked for: ask for less") != std::string::npos);
    CHECK(pool.counts().taken == 0);
  }

  TEST_CASE("the stack given back last is taken next") {
    test_pool pool;
    const stack a = pool.take();
    const stack b = pool.take();
    CHECK(a.low != b.low);
    pool.give_back(a);
    pool.give_back(b);
    CHECK(pool.take().low == b.low);
    CHECK(pool.take().low == a.low);
    pool.give_back(a);
    pool.give_back(b);
  }

  TEST_CASE("tops are staggered by cache lines, and half a page is left below each") {
    test_pool pool;
    std::vector<stack> taken;
    std::set<std::uintptr_t> colours;
    for (int i = 0; i < 64; ++i) {
      taken.push_back(pool.take());
      const auto in_page = (reinterpret_cast<std::uintptr_t>(taken.back().top) - 1) % 4096;
      CHECK(in_page >= 2048);
      colours.insert(in_page / 64);
    }
    CHECK(colours.size() == 32);
    for (const stack& one : taken) {
      pool.give_back(one);
    }
  }

  TEST_CASE("an overrun hits the guard, and the guard's stack is known") {
    for (const auto options : {stack_pool_options{}, with_mprotect}) {
      CAPTURE(options.light_guards);
      test_pool pool(options);
      const stack below = pool.take();
      const stack one = pool.take();
      const auto end = in_child([&] {
        watched_pool = &pool;
        expected_low = one.low;
        struct sigaction on_fault = {};
        on_fault.sa_sigaction = judge_fault;
        on_fault.sa_flags = SA_SIGINFO;
        ::sigaction(SIGSEGV, &on_fault, nullptr);
        *reinterpret_cast<volatile char*>(one.low) = 1;
        *reinterpret_cast<volatile char*>(one.low - 1) = 1;
      });
      CHECK(end.exited_with(42));
      CHECK(pool.guard_of(one.low - 1)->of.top == one.top);
      CHECK(pool.guard_of(one.low - 4096)->of.low == one.low);
      CHECK(!pool.guard_of(one.low));
      CHECK(!pool.guard_of(one.low - 4097));
      CHECK(!pool.guard_of(&pool));
      CHECK(!pool.guard_of(nullptr));
      pool.give_back(one);
      CHECK(!pool.guard_of(one.low - 1)->is_taken);
      pool.give_back(below);
      CHECK(pool.counts().map_guards == (options.light_guards && has_light_guards() ? 0 : 2));
    }
  }

  TEST_CASE("past the limit on mappings a guarded stack is refused with what to do, an unguarded one is not") {
    test_pool pool({.light_guards = false, .map_limit = 80});
    std::vector<stack> taken;
    for (int i = 0; i < 35; ++i) {  // an eighth of the limit is left to others
      taken.push_back(pool.take());
    }
    for (int again = 0; again < 2; ++again) {
      try {
        pool.take();
        FAIL("it was not refused");
      } catch (const std::system_error& refused) {
        CHECK(refused.code().value() == ENOMEM);
        CHECK(std::strstr(refused.what(), "martlet: no guard page for another stack: 35 stacks have one") != nullptr);
        CHECK(std::strstr(refused.what(), "vm.max_map_count") != nullptr);
        CHECK(std::strstr(refused.what(), "unguarded") != nullptr);
      }
    }
    CHECK(pool.counts().taken == 35);
    const stack bare = pool.take(stack_pool::default_bytes, guard_policy::unguarded);
    fill(bare, 1);
    CHECK(!pool.guard_of(bare.low - 1));
    pool.give_back(bare);
    CHECK(pool.take(stack_pool::default_bytes, guard_policy::unguarded).low == bare.low);
    pool.give_back(bare);
    const std::byte* freed = taken.back().low;
    pool.give_back(taken.back());
    taken.back() = pool.take();  // a guard that exists can be used again
    CHECK(taken.back().low == freed);
    CHECK(pool.counts().map_guards == 35);
    for (const stack& one : taken) {
      pool.give_back(one);
    }
  }

  TEST_CASE("without address space a take throws") {
    if (base::stacks_are_watched) {
      return;  // sanitizers need terabytes
    }
    const auto end = in_child([] {
      const rlimit little{256 << 20, 256 << 20};
      ::setrlimit(RLIMIT_AS, &little);
      static constinit stack_pool pool;
      try {
        for (;;) {
          pool.take();
        }
      } catch (const std::system_error& refused) {
        ::_exit(std::strstr(refused.what(), "address space") != nullptr ? 42 : 43);
      }
    });
    CHECK(end.exited_with(42));
  }

  TEST_CASE("beyond a bound freed stacks lose their pages") {
    test_pool pool({.warm_bytes = 4 * stack_pool::default_bytes});
    std::vector<stack> taken;
    for (int i = 0; i < 10; ++i) {
      taken.push_back(pool.take());
      fill(taken.back(), 7);
    }
    for (const stack& one : taken) {
      pool.give_back(one);
    }
    CHECK(pool.counts().warm == 4);
    CHECK(pool.counts().cold == 6);
    for (int i = 0; i < 10; ++i) {
      const stack one = pool.take();  // warm ones first
      CHECK(one.low[0] == (i < 4 ? std::byte{7} : std::byte{0}));
      CHECK(pool.guard_of(one.low - 1).has_value());
    }
    CHECK(pool.counts().taken == 10);
    for (const stack& one : taken) {
      pool.give_back(one);
    }
  }

  TEST_CASE("many that may keep their pages lose them by the dozen, never more than may") {
    test_pool pool({.warm_bytes = 320 * stack_pool::default_bytes});
    std::vector<stack> taken;
    for (int i = 0; i < 340; ++i) {
      taken.push_back(pool.take());
      *taken.back().low = std::byte{7};
    }
    for (std::size_t i = 0; i < taken.size(); ++i) {
      pool.give_back(taken[i]);
      CHECK(pool.counts().taken == taken.size() - i - 1);
      CHECK(pool.counts().warm == (i < 320 ? i + 1 : i - 19));  // the 321st takes nineteen others along
    }
    CHECK(pool.counts().cold == 20);
    for (int i = 0; i < 340; ++i) {
      CHECK(*pool.take().low == (i < 320 ? std::byte{7} : std::byte{0}));  // warm ones first
    }
    for (const stack& one : taken) {
      pool.give_back(one);
    }
  }

  TEST_CASE("stacks that were free for two periods lose their pages, and how deep they were used stays known") {
    for (const auto options : {stack_pool_options{}, with_mprotect}) {
      test_pool pool(options);
      CHECK(pool.uses().empty());
      constexpr std::size_t size = stack_pool::largest_bytes;
      std::vector<stack> taken;
      for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 8; ++i) {  // all of a slab
          taken.push_back(pool.take(size));
          CHECK(taken.back().top[-1] == (round == 1 ? std::byte{7} : std::byte{0}));
          CHECK(pool.guard_of(taken.back().low - 1)->of.low == taken.back().low);
          std::memset(taken.back().top - (round == 0 ? 10'000 : 1000), 7, round == 0 ? 10'000 : 1000);
        }
        const auto uses = pool.uses();
        REQUIRE(uses.size() == 1);
        CHECK(uses[0].size == size);
        CHECK(uses[0].in_use == 8);
        CHECK(uses[0].deepest >= 10'000);
        CHECK(uses[0].deepest <= 10'000 + 3 * 4096);
        CHECK(stack_pool::high_water(taken[0]) >= (round < 2 ? 10'000 : 1000));
        CHECK(stack_pool::high_water(taken[0]) <= (round < 2 ? 10'000 + 3 * 4096 : 1000 + 3 * 4096));
        for (const stack& one : taken) {
          pool.give_back(one);
        }
        taken.clear();
        CHECK(pool.has_warm());
        trim(pool);
        CHECK(pool.counts().warm == 8);
        if (round >= 1) {
          trim(pool);
          CHECK(!pool.has_warm());
          CHECK(pool.counts().cold == 0);  // the slab is vacant
        }
      }
      CHECK(pool.counts().map_guards == (options.light_guards && has_light_guards() ? 0 : 8));
      CHECK(pool.uses()[0].deepest >= 10'000);
    }
  }

  TEST_CASE("taken ahead, a stack that has its pages is settled; others share the pages of those that have ended") {
    test_pool pool;
    pool.give_back(pool.take());
    bool is_settled = false;
    const stack first = pool.take_ahead(0, is_settled);
    CHECK(is_settled);

    stack waiting[3];
    for (stack& one : waiting) {
      one = pool.take_ahead(0, is_settled);
      CHECK_FALSE(is_settled);
    }
    for (stack& one : waiting) {
      const std::byte* before = one.low;
      pool.settle(one);
      CHECK((one.low == before) == (&one == &waiting[0]));  // the later ones take over the first one's
      CHECK(one.low == waiting[0].low);
      CHECK(pool.guard_of(one.low - 1).has_value());
      fill(one, 1);
      pool.give_back(one);
    }
    pool.give_back(first);
    CHECK(pool.counts().warm == 2);
    CHECK(pool.counts().cold == 2);
  }

  TEST_CASE("stacks that were taken ahead and never used leave nothing behind") {
    test_pool pool;
    constexpr std::size_t many = 5000;
    std::vector<stack> all(many);
    const stack used = pool.take();
    for (stack& one : all) {
      bool is_settled = true;
      one = pool.take_ahead(0, is_settled);
      REQUIRE_FALSE(is_settled);
    }
    CHECK(pool.counts().taken == many + 1);
    pool.give_back(used);
    for (stack& one : all) {
      pool.settle(one);
      pool.give_back(one);
    }
    CHECK(pool.counts().warm == 1);
    CHECK(pool.counts().cold == many);
    trim(pool);
    trim(pool);
    CHECK(pool.counts().warm == 0);
    CHECK(pool.counts().cold < 1024);  // of the slab that is open
    CHECK(pool.counts().taken == 0);
  }

  TEST_CASE("who takes and gives back while another thread trims finds guards, and nobody's stack") {
    test_pool pool;
    base::atomic<bool> is_over{false};
    base::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 300; ++i) {
          stack mine[20];
          for (stack& one : mine) {
            if (i % 2 == 0) {
              one = pool.take(stack_pool::largest_bytes);
            } else {
              bool is_settled = false;
              one = pool.take_ahead(stack_pool::largest_bytes, is_settled);
              if (!is_settled) {
                pool.settle(one);
              }
            }
            *reinterpret_cast<int*>(one.top - 8) = t;
            wrong += pool.guard_of(one.low - 1) ? 0 : 1;
          }
          for (const stack& one : mine) {
            wrong += *reinterpret_cast<int*>(one.top - 8) == t ? 0 : 1;
            pool.give_back(one);
          }
        }
      });
    }
    std::thread trimmer([&] {
      while (!is_over.load()) {
        trim(pool);
      }
    });
    for (std::thread& one : threads) {
      one.join();
    }
    is_over = true;
    trimmer.join();
    CHECK(wrong == 0);
    CHECK(pool.counts().taken == 0);
    trim(pool);
    trim(pool);
    CHECK(pool.counts().warm == 0);
  }

  TEST_CASE("a stack given back twice stops the program") {
    const auto end = in_child([] {
      static constinit stack_pool pool;
      const stack one = pool.take();
      pool.give_back(one);
      pool.give_back(one);
    });
    CHECK(end.was_aborted());
    CHECK(end.said("given back twice"));
  }

  TEST_CASE("threads that take and give back never share a stack") {
    test_pool pool({.warm_bytes = 8 * stack_pool::default_bytes});
    const auto churn = [&pool](unsigned seed) {
      std::vector<stack> mine;
      std::uint32_t random = seed * 2654435761U + 1;
      int wrong = 0;
      for (int i = 0; i < 5'000; ++i) {
        random = random * 1664525 + 1013904223;
        if (mine.size() < 30 && (mine.empty() || (random >> 16) % 2 == 0)) {
          mine.push_back(pool.take());
          *reinterpret_cast<unsigned*>(mine.back().top - 8) = seed;
        } else {
          wrong += *reinterpret_cast<unsigned*>(mine.back().top - 8) == seed ? 0 : 1;
          pool.give_back(mine.back());
          mine.pop_back();
        }
      }
      for (const stack& one : mine) {
        wrong += *reinterpret_cast<unsigned*>(one.top - 8) == seed ? 0 : 1;
        pool.give_back(one);
      }
      return wrong;
    };
    int wrong[4] = {};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] { wrong[i] = churn(i + 1); });
    }
    for (std::thread& one : threads) {
      one.join();
    }
    CHECK(wrong[0] + wrong[1] + wrong[2] + wrong[3] == 0);
    CHECK(pool.counts().taken == 0);
    CHECK(pool.counts().warm <= 8);
  }

  // The control block lies at the top of the stack, as a fiber's does.
  TEST_CASE("20,000 parked flows with guards cost a page each, and the memory returns") {
    if (!has_light_guards()) {
      MESSAGE("this kernel makes guards with mprotect: not tried");
      return;
    }
    test_pool pool;
    const std::size_t count = base::stacks_are_watched ? 2'000 : is_stress() ? 200'000 : 20'000;
    struct block {
      context flow;
      stack memory;
    };
    std::vector<block*> parked;
    parked.reserve(count);
    carrier here;
    const std::size_t before = resident_bytes();
    for (std::size_t i = 0; i < count; ++i) {
      const stack memory = pool.take();
      auto* one = new (memory.top - sizeof(block)) block{{}, memory};
      parked.push_back(one);
      one->flow.prepare(
          {memory.low, reinterpret_cast<std::byte*>(one)},
          [](void* self) {
            auto& mine = *static_cast<block*>(self);
            mine.flow.suspend();
            mine.flow.finish();
          },
          one);
      one->flow.resume(here);
    }
    const std::size_t used = resident_bytes() - before;
    CHECK(pool.counts().taken == count);
    CHECK(pool.counts().map_guards == 0);
    std::size_t guarded = 0;
    for (std::size_t i = 0; i < count; i += 97) {
      guarded += pool.guard_of(parked[i]->memory.low - 1).has_value() ? 1 : 0;
    }
    CHECK(guarded == (count + 96) / 97);
    for (block* one : parked) {
      one->flow.resume(here);
      pool.give_back(stack(one->memory));
    }
    CHECK(pool.counts().taken == 0);
    CHECK(pool.counts().warm <= 1024);
    CHECK(pool.counts().warm > 1024 - 64);
    if (!base::stacks_are_watched) {
      const std::size_t left = resident_bytes() - before;
      MESSAGE("bytes each: ", used / count, "; MiB left afterwards: ", left >> 20);
      CHECK(used / count <= 4400);
      CHECK(left <= used / 5 + (std::size_t{8} << 20));
    }
  }
}

}  // namespace
