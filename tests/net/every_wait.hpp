#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#include <doctest/doctest.h>

#include <martlet/martlet.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "scale.hpp"

/// One table for everything that waits: how each wait ends, whoever waits and whoever wakes. Its rows lie in every_wait_*_test.cpp;
/// a new kind of wait is one class and one row there.
namespace martlet::testing {

/// How a wait ended.
enum class ending { done, cancelled, late, closed };

// As strings: of a pointer the test would tell the address.
inline std::string text_of(ending of) {
  constexpr const char* names[] = {"done", "cancelled", "late", "closed"};
  return names[static_cast<int>(of)];
}

inline std::string text_of(actor of) {
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
  is_raced,     // cancelled while it succeeds
  is_shielded,  // cancelled behind a shield
  is_stopped,   // with its scheduler
  passes_limit,
  keeps_limit,
  races_limit,      // which passes while it succeeds
  passes_deadline,  // of a scope around it
  is_closed,
};

inline constexpr std::pair<fate, const char*> all_fates[] = {
    {fate::succeeds, "succeeds"},
    {fate::is_cancelled_before, "is cancelled before"},
    {fate::is_cancelled_before_at_once, "is cancelled before, where it would not have to wait"},
    {fate::is_cancelled_during, "is cancelled during"},
    {fate::is_cancelled_after, "is cancelled after it was completed"},
    {fate::is_raced, "is cancelled while it is completed"},
    {fate::is_shielded, "is cancelled behind a shield"},
    {fate::is_stopped, "is stopped with its scheduler"},
    {fate::passes_limit, "passes its limit"},
    {fate::keeps_limit, "keeps its limit"},
    {fate::races_limit, "is completed while its limit passes"},
    {fate::passes_deadline, "passes the deadline of a scope around it"},
    {fate::is_closed, "is closed"},
};

/// Whether it needs a tasklet that waits: nobody can cancel a thread.
inline bool needs_tasklet(fate what) {
  return what == fate::is_cancelled_before || what == fate::is_cancelled_before_at_once ||
         what == fate::is_cancelled_during || what == fate::is_cancelled_after || what == fate::is_raced ||
         what == fate::is_shielded || what == fate::is_stopped || what == fate::passes_deadline;
}

inline bool needs_limit(fate what) {
  return what == fate::passes_limit || what == fate::keeps_limit || what == fate::races_limit;
}

/// How often each case is tried.
inline int attempts_at(fate what) {
  switch (what) {
    case fate::is_raced: return by_level(12, 500);
    case fate::races_limit: return by_level(8, 500);
    default: return 1;
  }
}

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

  /// Whether there is such a wait in coroutines, in fibers and on threads. A thread does some things by itself, rather than
  /// wait for them.
  virtual bool is_for(actor) const { return true; }

  /// Whether the wait takes a limit there. Others have the deadlines of scopes around them.
  virtual bool takes_limit(actor) const { return true; }

  /// Whether one who waits is seen to be blocked.
  virtual bool blocks() const { return true; }

  /// Whether one who was cancelled before may find nothing left to wait for, at the end of a scope: also when its scheduler
  /// is stopped, which may reach the children first.
  virtual bool may_succeed_though_cancelled() const { return false; }

  /// Closes it. Returns how a wait ends then, nothing where there is no close.
  virtual std::optional<ending> close() { return {}; }

  /// Whether nobody stands in it any more; the destructors look too.
  virtual bool is_clean() { return true; }

  /// Whether it succeeds by itself, soon.
  virtual bool succeeds_by_itself() const { return false; }

  /// For those: whether the next one is to succeed.
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

/// A kind of wait that a coroutine has in another form.
class wait_that_blocks : public kind_of_wait {
 public:
  task<> wait(time_limit) final { co_return; }
  bool is_for(actor who) const override { return who != actor::coroutine; }
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

/// What a wait stands in.
enum class around { nothing, shield, deadline };

/// A wait that has been started, in whatever waits.
class waiting {
 public:
  waiting(scheduler& pool, actor kind, kind_of_wait& in, time_limit limit, bool may_begin, around it = around::nothing)
      : in_(in), limit_(limit), around_(it), may_begin_(may_begin) {
    switch (kind) {
      case actor::coroutine:
        tasklet_ = pool.spawn([this]() -> task<ending> {
          std::exception_ptr error;
          try {
            co_await wait();
          } catch (...) {
            error = std::current_exception();
          }
          co_return ending_of(error);
        });
        break;
      case actor::fiber: tasklet_ = pool.spawn([this] { return block(); }); break;
      case actor::thread: thread_ = std::thread([this] { thread_ended_ = block(); }); break;
    }
  }

  /// Lets one begin that was held up.
  void let_begin() { may_begin_ = true; }

  void until_it_is_shielded() {
    REQUIRE(eventually([&] { return is_shielded_.load(); }));
  }

  void cancel() { tasklet_.cancel(); }

  /// Returns   whether the wait behind a shield was completed.
  bool came_through() const { return came_through_; }

  /// Returns when it waits; when it probably does, where that is not seen.
  void until_it_waits() {
    if (tasklet_ && in_.blocks()) {
      REQUIRE(eventually([&] { return tasklet_.state() == status::blocked || tasklet_.state() == status::done; }));
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  ending end() {
    if (tasklet_) {
      return martlet::await(std::move(tasklet_));
    }
    thread_.join();
    return thread_ended_;
  }

 private:
  void hold_unless_shielded() const {
    if (around_ != around::shield) {
      hold();
    }
  }
  void hold_behind_it() {
    is_shielded_ = true;
    hold();
  }

  // Not a wait, so that a cancel finds it before its first one.
  void hold() const {
    while (!may_begin_) {
      base::cpu_pause();
    }
  }

  task<> wait() {
    hold_unless_shielded();
    switch (around_) {
      case around::nothing: co_await in_.wait(limit_); break;
      case around::shield: {
        {
          const shield undisturbed;
          hold_behind_it();
          co_await in_.wait(limit_);
        }
        came_through_ = true;
        co_await yield();
        break;
      }
      case around::deadline: co_await in_scope(*limit_, [this](scope&) -> task<> { co_await in_.wait({}); }); break;
    }
  }

  void wait_blocking() {
    hold_unless_shielded();
    switch (around_) {
      case around::nothing: in_.wait_blocking(limit_); break;
      case around::shield: {
        {
          const shield undisturbed;
          hold_behind_it();
          in_.wait_blocking(limit_);
        }
        came_through_ = true;
        martlet::await(yield());
        break;
      }
      case around::deadline: in_scope(*limit_, [this](scope&) { in_.wait_blocking({}); }); break;
    }
  }

  ending block() {
    try {
      wait_blocking();
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

  kind_of_wait& in_;
  const time_limit limit_;
  const around around_;
  base::atomic<bool> may_begin_;
  base::atomic<bool> is_shielded_{false};
  bool came_through_ = false;
  handle<ending> tasklet_;
  std::thread thread_;
  ending thread_ended_ = ending::done;
};

/// Returns   the limit that a case has.
inline time_limit limit_of(fate what) {
  using namespace std::chrono_literals;
  switch (what) {
    case fate::passes_limit:
    case fate::passes_deadline: return 1ms;
    case fate::keeps_limit: return 1h;
    case fate::races_limit: return 100us;
    default: return {};
  }
}

/// Computes for some time about that of the racing limit, another one at each attempt.
inline void come_near_limit(int attempt) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(attempt * 37 % 250);
  while (std::chrono::steady_clock::now() < end) {}
}

/// Runs one case of the table. The waker has a scheduler of its own where that of the wait is stopped.
inline void check_wait(scheduler& pool, scheduler& of_waker, kind_of_wait& in, fate what, actor who, actor by,
                       int attempt) {
  waker partner(of_waker, by);
  const auto prepare = [&] { in.prepare(); };
  const auto succeed = [&] { in.succeed(); };
  const auto restore = [&] { in.restore(); };
  in.is_to_succeed =
      what == fate::succeeds || what == fate::keeps_limit || what == fate::races_limit || what == fate::is_shielded;
  partner.run(prepare);
  bool is_let = false;         // a success was given,
  bool has_come_back = false;  // and the waker came back from it
  if (what == fate::is_cancelled_before_at_once) {
    in.is_to_succeed = true;
    partner.begin(succeed);
    is_let = true;
  }
  const bool is_early =
      what == fate::is_cancelled_before || what == fate::is_cancelled_before_at_once || what == fate::is_shielded;
  const around it = what == fate::is_shielded       ? around::shield
                    : what == fate::passes_deadline ? around::deadline
                                                    : around::nothing;
  waiting one(pool, who, in, limit_of(what), !is_early, it);
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
      if (in.may_succeed_though_cancelled() && is_let) {
        other = ending::done;
      }
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
    case fate::is_shielded:
      one.until_it_is_shielded();
      if (in.succeeds_by_itself()) {
        one.cancel();
        one.let_begin();
      } else {
        one.let_begin();
        one.until_it_waits();
        one.cancel();
      }
      partner.begin(succeed);
      is_let = true;
      expected = other = ending::cancelled;
      break;
    case fate::is_stopped:
      one.until_it_waits();
      pool.stop();
      expected = ending::cancelled;
      other = in.may_succeed_though_cancelled() ? ending::done : ending::cancelled;
      break;
    case fate::races_limit:
      partner.begin([&in, attempt] {
        come_near_limit(attempt);
        in.succeed();
      });
      is_let = true;
      other = ending::late;
      break;
    case fate::passes_limit:
    case fate::passes_deadline: expected = other = ending::late; break;
    case fate::is_closed:
      one.until_it_waits();
      expected = other = in.close().value_or(ending::done);
      break;
  }
  ending ended = one.end();
  CHECK_MESSAGE((ended == expected || ended == other), "expected ", text_of(expected), ", found ", text_of(ended));
  if (what == fate::is_closed || what == fate::is_stopped) {
    partner.run(restore);
    return;
  }
  if (what == fate::is_shielded) {
    CHECK_MESSAGE(one.came_through(), "the wait behind the shield was ended");
    ended = one.came_through() ? ending::done : ended;
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
  waiting next(pool, in.is_for(actor::coroutine) ? actor::coroutine : actor::fiber, in, {}, true);
  const ending next_ended = next.end();
  if (!has_come_back) {
    partner.end();
  }
  CHECK_MESSAGE(next_ended == ending::done, "afterwards a wait does not succeed any more: ", text_of(next_ended));
  CHECK(in.is_clean());
}

/// A row of the table.
struct wait_entry {
  const char* name;
  std::unique_ptr<kind_of_wait> (*make)(scheduler& pool);
};

template <class Kind>
std::unique_ptr<kind_of_wait> make_wait(scheduler& pool) {
  if constexpr (std::is_constructible_v<Kind, scheduler&>) {
    return std::make_unique<Kind>(pool);
  } else {
    return std::make_unique<Kind>();
  }
}

inline bool has_case(kind_of_wait& in, fate what, actor who) {
  return in.is_for(who) && !(needs_tasklet(what) && who == actor::thread) &&
         !(needs_limit(what) && !in.takes_limit(who)) && !(what == fate::is_closed && !in.close());
}

/// Runs every case of some rows: each way to end, whoever waits and whoever wakes.
inline void check_waits(std::span<const wait_entry> table) {
  scheduler quiet({.workers = 2, .blocking_threads = 1});
  scheduler restless({.workers = 2, .migrate_always = true, .blocking_threads = 1});
  for (const wait_entry& one : table) {
    const std::string name = one.name;
    for (const auto& named : all_fates) {
      const fate what = named.first;
      const std::string said = named.second;
      for (const actor who : all_actors) {
        if (!has_case(*one.make(quiet), what, who)) {
          continue;
        }
        for (const actor by : {actor::fiber, actor::thread}) {
          const int attempts = 2 * attempts_at(what);
          for (int i = 0; i < attempts; ++i) {
            std::optional<scheduler> stopped;
            if (what == fate::is_stopped) {
              stopped.emplace(scheduler_options{.workers = 1, .migrate_always = i % 2 != 0, .blocking_threads = 1});
            }
            scheduler& other = i % 2 == 0 ? quiet : restless;
            scheduler& pool = stopped ? *stopped : other;
            INFO(name, " ", said, "; ", text_of(who), " waits, ", text_of(by), " wakes");
            const auto in = one.make(pool);
            check_wait(pool, other, *in, what, who, by, i);
          }
        }
      }
    }
  }
}

}  // namespace martlet::testing
