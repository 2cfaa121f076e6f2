#include <martlet/base/signals.hpp>
#include <martlet/scheduler.hpp>

#include <csignal>
#include <thread>

#include <doctest/doctest.h>

#include <unistd.h>

namespace {

using martlet::blocking;
using martlet::scheduler;
using martlet::task;

sigset_t mask_of_this_thread() {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return mask;
}

bool has(const sigset_t& mask, int signal) { return sigismember(&mask, signal) == 1; }

void keeps_out_what_is_asynchronous(const sigset_t& mask) {
  for (const int asynchronous : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM, SIGPIPE, SIGRTMIN}) {
    CHECK(has(mask, asynchronous));
  }
  for (const int left : {SIGPROF, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
    CHECK(!has(mask, left));
  }
}

volatile std::sig_atomic_t came;
void note(int) { came = came + 1; }

TEST_SUITE("signals") {
  TEST_CASE(
      "workers and the threads of blocking calls keep asynchronous signals out; profilers and faults get through") {
    scheduler pool(2);
    keeps_out_what_is_asynchronous(pool.block_on(pool.spawn([] { return mask_of_this_thread(); })));
    keeps_out_what_is_asynchronous(pool.block_on([]() -> task<sigset_t> {
      co_return co_await blocking(&mask_of_this_thread);
    }()));
  }

  TEST_CASE("the threads of the program keep their own mask, a lent one too") {
    scheduler pool({.workers = 0, .lent_threads = 1});
    const sigset_t lent = pool.run_here([]() -> task<sigset_t> { co_return mask_of_this_thread(); }());
    const sigset_t after = mask_of_this_thread();
    for (const int signal : {SIGTERM, SIGUSR1, SIGPROF}) {
      CHECK(!has(lent, signal));
      CHECK(!has(after, signal));
    }
  }

  TEST_CASE("what is sent to the process waits for a thread of the program and arrives there") {
    struct sigaction before{};
    struct sigaction mine{};
    mine.sa_handler = &note;
    REQUIRE(sigaction(SIGUSR1, &mine, &before) == 0);
    came = 0;
    scheduler pool(2);
    pool.block_on([]() -> task<> { co_await blocking([] {}); }());
    sigset_t one;
    sigset_t open;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &open);  // a sanitizer's own threads aside there is nobody else now
    ::kill(::getpid(), SIGUSR1);
    pool.block_on([]() -> task<> {
      for (int i = 0; i < 100; ++i) {
        co_await martlet::yield();
        co_await blocking([] {});
      }
    }());
    sigset_t waiting;
    sigpending(&waiting);
    CHECK(has(waiting, SIGUSR1));
    CHECK(came == 0);
    pthread_sigmask(SIG_SETMASK, &open, nullptr);
    CHECK(came == 1);
    sigaction(SIGUSR1, &before, nullptr);
  }

  TEST_CASE("a thread that starts others has its mask back afterwards") {
    std::thread([] {
      sigset_t term;
      sigemptyset(&term);
      sigaddset(&term, SIGTERM);
      pthread_sigmask(SIG_SETMASK, &term, nullptr);
      { const martlet::base::signals_blocked quiet; }
      const sigset_t mask = mask_of_this_thread();
      CHECK(has(mask, SIGTERM));
      CHECK(!has(mask, SIGINT));
    }).join();
  }
}

}  // namespace
