#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#include <doctest/doctest.h>

#include <martlet/martlet.hpp>

#include "crew.hpp"
#include "eventually.hpp"

/// One table for everything that waits: how each wait ends, whoever waits and whoever wakes.
namespace martlet::testing {

/// How a wait ended.
enum class ending { done, cancelled, late, closed };

inline const char* text_of(ending of) {
  constexpr const char* names[] = {"done", "cancelled", "late", "closed"};
  return names[static_cast<int>(of)];
}

inline const char* text_of(actor of) {
  constexpr const char* names[] = {"a coroutine", "a fiber", "a thread"};
  return names[static_cast<int>(of)];
}

/// What happens to a wait.
enum class fate {
  succeeds,
  is_cancelled_before,          // where it would have to wait
  is_cancelled_before_at_once,  // where it would not
  is_cancelled_during,
  is_cancelled_after,
  is_raced,  // cancelled while it succeeds
  passes_limit,
  keeps_limit,
  is_closed,
};

inline constexpr std::pair<fate, const char*> all_fates[] = {
    {fate::succeeds, "succeeds"},
    {fate::is_cancelled_before, "is cancelled before"},
    {fate::is_cancelled_before_at_once, "is cancelled before, where it would not have to wait"},
    {fate::is_cancelled_during, "is cancelled during"},
    {fate::is_cancelled_after, "is cancelled after it was completed"},
    {fate::is_raced, "is cancelled while it is completed"},
    {fate::passes_limit, "passes its limit"},
    {fate::keeps_limit, "keeps its limit"},
    {fate::is_closed, "is closed"},
};

using time_limit = std::optional<std::chrono::nanoseconds>;

/// One kind of wait; made anew for each case. An entry of the table derives from this or from `wait_for_operation`.
class kind_of_wait {
 public:
  kind_of_wait() = default;
  kind_of_wait(const kind_of_wait&) = delete;
  kind_of_wait& operator=(const kind_of_wait&) = delete;
  virtual ~kind_of_wait() = default;

  /// Makes the next wait one that has to wait. The waker calls it, as it calls `succeed` and `restore`.
  virtual void prepare() {}

  /// Waits, in a coroutine; in a fiber or on a thread.
  virtual task<> wait(time_limit limit) = 0;
  virtual void wait_blocking(time_limit limit) = 0;

  /// Lets one wait succeed: the present one, or the next.
  virtual void succeed() = 0;

  /// Undoes `prepare`, when the wait ended otherwise.
  virtual void restore() {}

  /// Whether the wait is completed when `succeed` comes back.
  virtual bool is_prompt() const { return true; }

  /// Whether a thread waits too, rather than doing by itself what it would wait for.
  virtual bool waits_on_threads() const { return true; }

  /// Closes it. Returns how a wait ends then, nothing where there is no close.
  virtual std::optional<ending> close() { return {}; }

  /// Whether nobody stands in it any more; the destructors look too.
  virtual bool is_clean() { return true; }

  /// For waits that succeed by themselves: whether the next one is to succeed.
  bool is_to_succeed = true;
};

/// A kind of wait that is one operation: `Derived` has `auto operation()`.
template <class Derived>
class wait_for_operation : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    if (limit) {
      static_cast<void>(co_await within(*limit, self().operation()));
    } else {
      static_cast<void>(co_await self().operation());
    }
  }
  void wait_blocking(time_limit limit) override {
    if (limit) {
      static_cast<void>(martlet::await(within(*limit, self().operation())));
    } else {
      static_cast<void>(martlet::await(self().operation()));
    }
  }

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

/// Thrown by an entry whose wait found that it was closed, where that is no error of the wait's own.
struct was_closed {};

/// Runs steps one after another, all in one fiber or all on one thread.
class waker {
 public:
  waker(scheduler& pool, actor kind) : crew_(pool) {
    crew_.add(
        kind, []() -> task<> { co_return; },
        [this] {
          for (auto& step : steps_) {
            step();
            martlet::await(ends_.send(true));
          }
        });
  }
  ~waker() { steps_.close(); }

  void begin(std::function<void()> step) { martlet::await(steps_.send(std::move(step))); }
  void end() { martlet::await(ends_.receive()); }
  void run(std::function<void()> step) {
    begin(std::move(step));
    end();
  }

 private:
  channel<std::function<void()>> steps_;
  channel<bool> ends_{1};
  crew crew_;  // ends first
};

/// A wait that has been started, in whatever waits.
class waiting {
 public:
  waiting(scheduler& pool, actor kind, kind_of_wait& in, time_limit limit, bool may_begin)
      : pool_(pool), may_begin_(may_begin) {
    switch (kind) {
      case actor::coroutine:
        tasklet_ = pool.spawn([this, &in, limit]() -> task<ending> {
          hold();
          std::exception_ptr error;
          try {
            co_await in.wait(limit);
          } catch (...) {
            error = std::current_exception();
          }
          co_return ending_of(error);
        });
        break;
      case actor::fiber: tasklet_ = pool.spawn([this, &in, limit] { return block(in, limit); }); break;
      case actor::thread: thread_ = std::thread([this, &in, limit] { thread_ended_ = block(in, limit); }); break;
    }
  }

  /// Lets one begin that was held up.
  void let_begin() { may_begin_ = true; }

  void cancel() { tasklet_.cancel(); }

  /// Returns when it waits; on a thread, when it probably does.
  void until_it_waits() {
    if (tasklet_) {
      REQUIRE(eventually([&] { return tasklet_.state() == status::blocked || tasklet_.state() == status::done; }));
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  ending end() {
    if (tasklet_) {
      return pool_.block_on(std::move(tasklet_));
    }
    thread_.join();
    return thread_ended_;
  }

 private:
  // Not a wait, so that a cancel finds it before its first one.
  void hold() const {
    while (!may_begin_) {
      base::cpu_pause();
    }
  }

  ending block(kind_of_wait& in, time_limit limit) const {
    hold();
    try {
      in.wait_blocking(limit);
    } catch (...) {
      return ending_of(std::current_exception());
    }
    return ending::done;
  }

  static ending ending_of(const std::exception_ptr& error) {
    if (error == nullptr) {
      return ending::done;
    }
    try {
      std::rethrow_exception(error);
    } catch (const cancelled&) {
      return ending::cancelled;
    } catch (const deadline_passed&) {
      return ending::late;
    } catch (...) {
      return ending::closed;
    }
  }

  scheduler& pool_;
  base::atomic<bool> may_begin_;
  handle<ending> tasklet_;
  std::thread thread_;
  ending thread_ended_ = ending::done;
};

/// Runs one case of the table.
inline void check_wait(scheduler& pool, kind_of_wait& in, fate what, actor who, actor by) {
  using namespace std::chrono_literals;
  waker partner(pool, by);
  const auto prepare = [&] { in.prepare(); };
  const auto succeed = [&] { in.succeed(); };
  const auto restore = [&] { in.restore(); };
  const bool has_limit = what == fate::passes_limit || what == fate::keeps_limit;
  const time_limit limit = what == fate::passes_limit ? time_limit(1ms) : has_limit ? time_limit(1h) : time_limit();
  in.is_to_succeed = what == fate::succeeds || what == fate::keeps_limit;
  partner.run(prepare);
  bool is_let = false;         // a success was given,
  bool has_come_back = false;  // and the waker came back from it
  if (what == fate::is_cancelled_before_at_once) {
    in.is_to_succeed = true;
    partner.begin(succeed);
    is_let = true;
  }
  const bool is_early = what == fate::is_cancelled_before || what == fate::is_cancelled_before_at_once;
  waiting one(pool, who, in, limit, !is_early);
  ending expected = ending::done;
  ending other = ending::done;
  switch (what) {
    case fate::succeeds:
    case fate::keeps_limit:
      one.until_it_waits();
      partner.begin(succeed);
      is_let = true;
      break;
    case fate::is_cancelled_before:
    case fate::is_cancelled_before_at_once:
      one.cancel();
      one.let_begin();
      expected = other = ending::cancelled;
      break;
    case fate::is_cancelled_during:
      one.until_it_waits();
      one.cancel();
      expected = other = ending::cancelled;
      break;
    case fate::is_cancelled_after:
      one.until_it_waits();
      partner.run([&] {
        in.succeed();
        one.cancel();
      });
      is_let = has_come_back = true;
      other = in.is_prompt() ? ending::done : ending::cancelled;
      break;
    case fate::is_raced:
      one.until_it_waits();
      partner.begin(succeed);
      one.cancel();
      is_let = true;
      other = ending::cancelled;
      break;
    case fate::passes_limit: expected = other = ending::late; break;
    case fate::is_closed:
      one.until_it_waits();
      expected = other = in.close().value_or(ending::done);
      break;
  }
  const ending ended = one.end();
  CHECK_MESSAGE((ended == expected || ended == other), "expected ", text_of(expected), ", found ", text_of(ended));
  if (what == fate::is_closed) {
    partner.run(restore);
    return;
  }
  // What was cancelled or late has taken nothing: the success that was given is the next one's.
  in.is_to_succeed = true;
  if (ended == ending::done && !has_come_back) {
    partner.end();
  }
  if (ended == ending::done || !is_let) {
    if (ended != ending::done) {
      partner.run(restore);
    }
    partner.run(prepare);
    partner.begin(succeed);
    has_come_back = false;
  }
  waiting next(pool, actor::coroutine, in, {}, true);
  const ending next_ended = next.end();
  if (!has_come_back) {
    partner.end();
  }
  CHECK_MESSAGE(next_ended == ending::done, "afterwards a wait does not succeed any more: ", text_of(next_ended));
  CHECK(in.is_clean());
}

}  // namespace martlet::testing
