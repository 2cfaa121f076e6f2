#include <martlet/scheduler.hpp>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <alloca.h>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/base/signal_stack.hpp>

#include "in_child.hpp"
#include "scale.hpp"

// Schedulers are made in children only: the handlers are installed once for a process.
namespace {

using martlet::fiber_options;
using martlet::scheduler;
using martlet::scheduler_options;
using martlet::testing::child_end;
using martlet::testing::is_watched;

// A sanitizer's own handler comes after ours, and ends the process in its own way.
bool died_of(const child_end& end, int signal) {
  return is_watched ? !end.exited_with(0) : WIFSIGNALED(end.status) && WTERMSIG(end.status) == signal;
}

template <class F>
child_end in_child(F&& body) {
  return martlet::testing::in_child([&] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    body();
  });
}

// The whole of `room` has to be there: ThreadSanitizer counts 65,536 calls at most, so the largest stack has to end before.
[[gnu::noinline]] int recurse(int depth) {
  char room[300];
  room[0] = static_cast<char>(depth);
  asm volatile("" : : "r"(room) : "memory");
  return depth < 0 ? 0 : recurse(depth + 1) + room[0];
}

struct recursive {
  explicit recursive(int d) : depth(d) {}
  recursive(const recursive&) = delete;
  recursive& operator=(const recursive&) = delete;
  [[gnu::noinline]] ~recursive() { recurse(depth); }
  int depth;
};

// Takes room down to the guard page in one frame, and touches the first byte beyond.
[[gnu::noinline]] void large_frame() {
  char here = 0;
  const std::byte* low = martlet::detail::current_host()->fiber_->memory.low;
  const auto distance = static_cast<std::size_t>(reinterpret_cast<std::byte*>(&here) - low);
  auto* room = static_cast<volatile char*>(::alloca(distance));
  *(room + (reinterpret_cast<volatile char*>(const_cast<std::byte*>(low)) - room) - 1) = 1;
}

// Not address 0, which UBSan would notice before the processor does.
const std::uintptr_t nowhere = 16;
void touch_nowhere() {
  volatile char* volatile nothing = reinterpret_cast<volatile char*>(nowhere);
  *nothing = 1;
}

bool is_named(const child_end& end, int line) {
  return end.said("martlet: a tasklet's stack overflowed: it has 65536 bytes.\n") &&
         end.said(("overflow_test.cpp:" + std::to_string(line) + " and ran on worker 0 (thread ").c_str()) &&
         end.said("fiber_options{.stack_size = 131072}");
}

int count_reports(const child_end& end) {
  int count = 0;
  for (std::size_t at = 0; (at = end.errors.find("martlet: ", at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

void exit_with_7(int) { ::_exit(7); }
void exit_with_8(int, siginfo_t* info, void*) {
  ::_exit(reinterpret_cast<std::uintptr_t>(info->si_addr) == nowhere ? 8 : 9);
}

struct sigaction former_action;
void pass_on(int, siginfo_t*, void*);

TEST_SUITE("overflow") {
  TEST_CASE("a recursion without end names the tasklet and dies of the signal") {
    int line = 0;
    const auto end = in_child([&] {
      scheduler pool(1);
      pool.block_on(pool.spawn([] { return recurse(0); }));
    });
    line = __LINE__ - 2;
    CHECK(died_of(end, SIGSEGV));
    CHECK(is_named(end, line));
    CHECK(count_reports(end) == 1);
  }

  TEST_CASE("so do a large frame, a destructor and a second scheduler") {
    const auto frame = in_child([] {
      scheduler pool(1);
      pool.block_on(pool.spawn([] { large_frame(); }));
    });
    CHECK(died_of(frame, SIGSEGV));
    CHECK(is_named(frame, __LINE__ - 3));
    const auto destructor = in_child([] {
      scheduler pool(1);
      pool.block_on(pool.spawn([] { const recursive last(0); }));
    });
    CHECK(died_of(destructor, SIGSEGV));
    CHECK(is_named(destructor, __LINE__ - 3));
    const auto second = in_child([] {
      { scheduler first(2); }
      scheduler other(1);
      scheduler pool(1);
      pool.block_on(pool.spawn([] { return recurse(0); }));
    });
    CHECK(died_of(second, SIGSEGV));
    CHECK(is_named(second, __LINE__ - 3));
  }

  TEST_CASE("a tasklet that has yielded, waited and awaited a task before is named too") {
    const auto end = in_child([] {
      scheduler pool(1);
      auto other = pool.spawn([] {
        for (int i = 0; i < 100; ++i) {
          martlet::await(martlet::yield());
        }
      });
      pool.block_on(pool.spawn([&] {
        martlet::await(martlet::yield());
        martlet::await(other.join());
        martlet::await([]() -> martlet::task<> { co_await martlet::sleep_for(std::chrono::milliseconds(1)); }());
        return recurse(0);
      }));
    });
    CHECK(died_of(end, SIGSEGV));
    CHECK(is_named(end, __LINE__ - 8));
  }

  TEST_CASE("its name is said, where it has one") {
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on(pool.spawn([] {
        martlet::this_tasklet::set_name("digger");
        return recurse(0);
      }));
    });
    CHECK(end.said("  Its name is 'digger'. It was spawned at "));
  }

  TEST_CASE("a coroutine that overflows its worker's own stack is named too, and what a fiber awaits") {
    const auto nested = [](bool waits) -> martlet::task<int> {
      if (waits) {
        co_await martlet::yield();
      }
      co_return recurse(0);
    };
    const auto is_said = [](const child_end& end, int line) {
      return end.said("martlet: the stack of a worker's thread overflowed: it has ") &&
             end.said(("overflow_test.cpp:" + std::to_string(line) + " and ran on worker 0 (thread ").c_str());
    };
    const auto coroutine = in_child([&] {
      scheduler pool(1);
      pool.block_on(nested(false));
    });
    CHECK(died_of(coroutine, SIGSEGV));
    CHECK(is_said(coroutine, __LINE__ - 3));
    CHECK(count_reports(coroutine) == 1);
    const auto awaited = in_child([&] {
      scheduler pool(1);
      pool.block_on(pool.spawn([&] { return martlet::await(nested(true)); }));
    });
    CHECK(died_of(awaited, SIGSEGV));
    CHECK(is_said(awaited, __LINE__ - 3));
    const auto outside = in_child([] {
      const scheduler pool({.workers = 1, .on_worker_start = [] { recurse(0); }});
      ::pause();
    });
    CHECK(died_of(outside, SIGSEGV));
    CHECK(outside.said("No tasklet ran on worker 0"));
  }

  TEST_CASE("on a lent thread as well, whose own alternate stack stays, or comes back") {
    const auto end = in_child([] {
      scheduler pool(scheduler_options{.workers = 0, .lent_threads = 1});
      std::thread([&] { pool.run_here(pool.spawn([] { return recurse(0); }, {.stack_size = 8 << 20})); }).join();
    });
    CHECK(died_of(end, SIGSEGV));
    CHECK(end.said("it has 8388608 bytes"));
    CHECK(end.said("and ran on a lent thread, worker 0"));
    CHECK(end.said("No stack is larger"));
    const auto restored = in_child([] {
      scheduler pool(scheduler_options{.workers = 0, .lent_threads = 1});
      const auto lend = [&pool](std::size_t bytes) {
        static char mine[1 << 16];
        stack_t given{};
        given.ss_sp = mine;
        given.ss_size = bytes;
        ::sigaltstack(&given, nullptr);
        const stack_t inside = pool.run_here(pool.spawn([] {
          stack_t now{};
          ::sigaltstack(nullptr, &now);
          return now;
        }));
        stack_t after{};
        ::sigaltstack(nullptr, &after);
        if (after.ss_sp != mine || after.ss_size != bytes) {
          ::_exit(9);
        }
        return inside.ss_sp == mine;
      };
      const std::size_t least = martlet::base::signal_stack::least_bytes();
      ::_exit(lend(least) && !lend(least - 1) ? 42 : 8);
    });
    CHECK((is_watched || restored.exited_with(42)));  // what a sanitizer has given the thread is another matter
  }

  TEST_CASE("two that need one on a thread share it, whichever goes first") {
    const auto take_away = [] {  // doctest has given the thread one
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      ::sigaltstack(&none, nullptr);
    };
    const auto end = in_child([&] {
      take_away();
      const auto has_one = [] {
        stack_t now{};
        ::sigaltstack(nullptr, &now);
        return (now.ss_flags & SS_DISABLE) == 0 && now.ss_size >= martlet::base::signal_stack::least_bytes();
      };
      auto first = std::make_unique<martlet::base::signal_stack>();
      auto second = std::make_unique<martlet::base::signal_stack>();
      first.reset();
      const bool is_left = has_one();
      second.reset();
      ::_exit(is_left && !has_one() ? 42 : 8);
    });
    CHECK((is_watched || end.exited_with(42)));  // what a sanitizer has given the thread is another matter
    const auto guests = in_child([&] {
      take_away();
      scheduler one(scheduler_options{.workers = 0, .lent_threads = 1});
      scheduler other(scheduler_options{.workers = 0, .lent_threads = 1});
      auto first = std::make_unique<martlet::guest>(one);
      martlet::guest second(other);
      first.reset();
      other.spawn([] { return recurse(0); });
      second.poll({});
    });
    CHECK(died_of(guests, SIGSEGV));
    CHECK(guests.said("a tasklet's stack overflowed"));
  }

  TEST_CASE("without report_overflow it dies as plainly as any program") {
    const auto end = in_child([] {
      const scheduler other(1);
      scheduler pool(scheduler_options{.workers = 1, .report_overflow = false});
      pool.block_on(pool.spawn([] { return recurse(0); }));
    });
    CHECK(died_of(end, SIGSEGV));
    CHECK(!end.said("martlet"));
  }

  TEST_CASE("a pointer to nowhere is none of our business, in a fiber, a coroutine and a plain thread") {
    for (const int where : {0, 1, 2}) {
      const auto end = in_child([where] {
        scheduler pool(1);
        if (where == 0) {
          pool.block_on(pool.spawn([] { touch_nowhere(); }));
        } else if (where == 1) {
          pool.block_on([]() -> martlet::task<> {
            touch_nowhere();
            co_return;
          }());
        }
        touch_nowhere();
      });
      CHECK(died_of(end, SIGSEGV));
      CHECK(!end.said("martlet: "));
    }
  }

  TEST_CASE("a signal that was sent, not caused, has its effect") {
    const auto end = in_child([] {
      const scheduler pool(1);
      ::kill(::getpid(), SIGSEGV);
      ::pause();
    });
    CHECK(died_of(end, SIGSEGV));
    CHECK(!end.said("martlet: "));
  }

  TEST_CASE("a handler that was there before hears of every fault, of an overflow after the report") {
    const auto with = [](bool is_informed, bool overflows) {
      return in_child([=] {
        struct sigaction mine = {};
        mine.sa_flags = is_informed ? SA_SIGINFO : 0;
        if (is_informed) {
          mine.sa_sigaction = exit_with_8;
        } else {
          mine.sa_handler = exit_with_7;
        }
        ::sigaction(SIGSEGV, &mine, nullptr);
        scheduler pool(1);
        if (overflows) {
          pool.block_on(pool.spawn([] { return recurse(0); }));
        }
        pool.block_on(pool.spawn([] { touch_nowhere(); }));
      });
    };
    CHECK(with(false, false).exited_with(7));
    CHECK(with(true, false).exited_with(8));
    const auto plain = with(false, true);
    CHECK(plain.exited_with(7));
    CHECK(plain.said("stack overflowed"));
    const auto informed = with(true, true);
    CHECK(informed.exited_with(9));
    CHECK(count_reports(informed) == 1);
  }

  TEST_CASE("a handler on top that passes on is left there") {
    const auto end = in_child([] {
      { const scheduler first(1); }
      struct sigaction mine = {};
      mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
      mine.sa_sigaction = pass_on;
      ::sigaction(SIGSEGV, &mine, &former_action);
      scheduler pool(1);
      pool.block_on(pool.spawn([] { return recurse(0); }));
    });
    CHECK(died_of(end, SIGSEGV));
    CHECK(end.said("stack overflowed"));
    CHECK(end.said("on top"));
  }

  TEST_CASE("who touches a guard page that is not its own is told apart") {
    const auto stray = [](bool from_fiber, bool ends_before) {
      return in_child([=] {
        scheduler pool(1);
        auto low = pool.spawn([ends_before] {
          std::byte* mine = martlet::detail::current_host()->fiber_->memory.low;
          if (!ends_before) {
            martlet::spawn([mine] { *reinterpret_cast<volatile char*>(mine - 1) = 1; });
            martlet::await(martlet::sleep_for(std::chrono::hours(1)));
          }
          return mine;
        });
        std::byte* there = pool.block_on(std::move(low));
        if (from_fiber) {
          pool.block_on([](std::byte* at) -> martlet::task<> {
            *reinterpret_cast<volatile char*>(at - 1) = 1;
            co_return;
          }(there));
        }
        *reinterpret_cast<volatile char*>(there - 1) = 1;
      });
    };
    const auto ended = stray(false, true);
    CHECK(died_of(ended, SIGSEGV));
    CHECK(ended.said("touched the guard page below a stack whose tasklet has ended"));
    CHECK(stray(true, true).said("touched the guard page below a stack whose tasklet has ended"));
    const auto others = stray(true, false);
    CHECK(died_of(others, SIGSEGV));
    CHECK(others.said("touched the guard page below the stack of a tasklet that it does not run"));
  }

  TEST_CASE("many that overflow at once do not mix their reports") {
    const auto end = in_child([] {
      scheduler pool(4);
      std::optional<martlet::scope> all(std::in_place, pool);
      for (int i = 0; i < 4; ++i) {
        all->spawn([] { return recurse(0); });
      }
      all->join();
    });
    CHECK(died_of(end, SIGSEGV));
    for (std::size_t at = 0; (at = end.errors.find("martlet: a", at)) != std::string::npos; ++at) {
      CHECK((is_watched || end.errors.find("on the heap.\n", at) != std::string::npos));
      CHECK((at == 0 || end.errors[at - 1] == '\n'));
    }
  }
}

void pass_on(int signal, siginfo_t* info, void* context) {
  static constexpr char text[] = "on top\n";
  [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
  former_action.sa_sigaction(signal, info, context);
}

}  // namespace
