#include "every_wait.hpp"

#include <chrono>
#include <cstddef>

// Joins, the ends of scopes, sleeps and yields.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;

class joining final : public wait_for_operation<joining> {
 public:
  explicit joining(scheduler& pool) : pool_(pool) {}

  auto operation() { return child_.join(); }
  void prepare() override {
    may_end_.reset();
    child_ = pool_.spawn([this]() -> task<> {
      const martlet::shield though_it_is_stopped;
      co_await may_end_.wait();
    });
  }
  void succeed() override { may_end_.set(); }
  void restore() override {
    succeed();
    await(child_.join());
  }
  bool is_prompt() const override { return false; }

 private:
  scheduler& pool_;
  martlet::event may_end_;
  martlet::handle<> child_;
};

class sleeping final : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    if (limit) {
      const auto first = co_await martlet::select(martlet::sleep_for(time()), martlet::sleep_for(*limit));
      take(first.index());
    } else {
      co_await martlet::sleep_for(time());
    }
  }
  void wait_blocking(time_limit limit) override {
    if (limit) {
      take(await(martlet::select(martlet::sleep_for(time()), martlet::sleep_for(*limit))).index());
    } else {
      await(martlet::sleep_for(time()));
    }
  }
  void succeed() override {}
  bool succeeds_by_itself() const override { return true; }
  bool is_prompt() const override { return false; }

 private:
  std::chrono::nanoseconds time() const { return is_to_succeed ? std::chrono::nanoseconds(200us) : 1h; }
  static void take(std::size_t first) {
    if (first == 1) {
      throw martlet::deadline_passed();
    }
  }
};

// Again and again, since each goes on by itself.
class yielding final : public kind_of_wait {
 public:
  task<> wait(time_limit) override {
    do {
      co_await martlet::yield();
    } while (!may_end_);
  }
  void wait_blocking(time_limit) override {
    do {
      await(martlet::yield());
    } while (!may_end_);
  }
  void prepare() override { may_end_ = false; }
  void succeed() override { may_end_ = true; }
  bool is_prompt() const override { return false; }
  bool is_for(actor who) const override { return who != actor::thread; }
  bool takes_limit(actor) const override { return false; }
  bool blocks() const override { return false; }

 private:
  martlet::base::atomic<bool> may_end_{false};
};

// Has a child in a scope that ends. A cancel is passed on to the child, and no child is there afterwards.
class with_child {
 protected:
  explicit with_child(scheduler& pool) : pool_(pool) {}

  void spawn_into(martlet::scope& s) {
    ++alive_;
    s.spawn(child());
  }

  // Looks when it goes whether the child has ended.
  struct look_at_end {
    explicit look_at_end(with_child& the) : of(the) {}
    ~look_at_end() { of.is_outlived_ = of.is_outlived_ || of.alive_ != 0; }
    with_child& of;
  };

  static martlet::deadline deadline_of(time_limit limit) {
    return limit ? martlet::deadline(*limit) : martlet::deadline();
  }

  scheduler& pool_;
  martlet::event may_end_;
  bool is_outlived_ = false;

 private:
  struct leaving {
    explicit leaving(martlet::base::atomic<int>& n) : count(n) {}
    ~leaving() { --count; }
    martlet::base::atomic<int>& count;
  };

  task<> child() {
    const leaving last(alive_);
    co_await may_end_.wait();
  }

  martlet::base::atomic<int> alive_{0};
};

class joining_scope final : public wait_that_blocks, with_child {
 public:
  explicit joining_scope(scheduler& pool) : with_child(pool) {}

  void wait_blocking(time_limit limit) override {
    martlet::scope s(pool_, deadline_of(limit));
    spawn_into(s);
    const look_at_end look(*this);
    s.join();
  }
  void prepare() override { may_end_.reset(); }
  void succeed() override { may_end_.set(); }
  bool is_prompt() const override { return false; }
  bool may_succeed_though_cancelled() const override { return true; }
  bool is_clean() override { return !is_outlived_; }
};

class ending_scope final : public kind_of_wait, with_child {
 public:
  explicit ending_scope(scheduler& pool) : with_child(pool) {}

  task<> wait(time_limit limit) override {
    const look_at_end look(*this);
    co_await martlet::in_scope(deadline_of(limit), [this](martlet::scope& s) -> task<> {
      spawn_into(s);
      co_return;
    });
  }
  void wait_blocking(time_limit limit) override {
    const look_at_end look(*this);
    martlet::in_scope(deadline_of(limit), [this](martlet::scope& s) { spawn_into(s); });
  }
  void prepare() override { may_end_.reset(); }
  void succeed() override { may_end_.set(); }
  bool is_prompt() const override { return false; }
  bool is_for(actor who) const override { return who != actor::thread; }
  bool may_succeed_though_cancelled() const override { return true; }
  bool is_clean() override { return !is_outlived_; }
};

constexpr wait_entry table[] = {
    {"a join", make_wait<joining>},
    {"the join of a scope", make_wait<joining_scope>},
    {"the end of in_scope", make_wait<ending_scope>},
    {"a sleep", make_wait<sleeping>},
    {"a yield", make_wait<yielding>},
};

TEST_SUITE("every wait: tasklets and time") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    check_waits(table);
  }
}

}  // namespace
