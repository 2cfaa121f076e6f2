#include "every_wait.hpp"

#include <cstddef>
#include <memory>
#include <mutex>

// Locks, and what else tasklets synchronise with.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;

class waiting_for_event final : public wait_for_operation<waiting_for_event> {
 public:
  auto operation() { return e_.wait(); }
  void prepare() override { e_.reset(); }
  void succeed() override { e_.set(); }

 private:
  martlet::event e_;
};

template <class Mutex>
class acquiring final : public wait_for_operation<acquiring<Mutex>> {
 public:
  auto operation() { return m_.acquire(); }
  void prepare() override { m_.lock(); }
  void succeed() override { m_.unlock(); }
  void restore() override { m_.unlock(); }
  bool is_clean() override { return m_.try_acquire().owns_lock(); }

 private:
  Mutex m_;
};

class acquiring_shared final : public wait_for_operation<acquiring_shared> {
 public:
  auto operation() { return m_.acquire_shared(); }
  void prepare() override { m_.lock(); }
  void succeed() override { m_.unlock(); }
  void restore() override { m_.unlock(); }
  bool is_clean() override { return m_.try_acquire().owns_lock(); }

 private:
  martlet::shared_mutex m_;
};

// A writer that readers keep out.
class acquiring_after_readers final : public wait_for_operation<acquiring_after_readers> {
 public:
  auto operation() { return m_.acquire(); }
  void prepare() override { m_.lock_shared(); }
  void succeed() override { m_.unlock_shared(); }
  void restore() override { m_.unlock_shared(); }
  bool is_clean() override { return m_.try_acquire().owns_lock(); }

 private:
  martlet::shared_mutex m_;
};

class waiting_for_condition final : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    auto held = co_await door_.acquire();
    inside in(inside_);
    bool in_time = true;
    while (!is_let_ && in_time) {
      if (limit) {
        in_time = co_await changed_.wait_for(held, *limit);
      } else {
        co_await changed_.wait(held);
      }
    }
    take(in_time);
  }
  void wait_blocking(time_limit limit) override {
    std::unique_lock held(door_);
    inside in(inside_);
    bool in_time = true;
    while (!is_let_ && in_time) {
      if (limit) {
        in_time = await(changed_.wait_for(held, *limit));
      } else {
        await(changed_.wait(held));
      }
    }
    take(in_time);
  }
  void prepare() override { is_let_ = false; }
  void succeed() override {
    const std::lock_guard held(door_);
    is_let_ = true;
    changed_.notify_one();
  }
  bool is_clean() override { return door_.try_acquire().owns_lock() && inside_ == 0; }

 private:
  // Counted under the mutex; it is held again when the wait throws, or the mutex would refuse the unlock.
  struct inside {
    explicit inside(int& c) : count(c) { ++count; }
    ~inside() { --count; }
    int& count;
  };

  static void take(bool in_time) {
    if (!in_time) {
      throw martlet::deadline_passed();
    }
  }

  martlet::mutex door_;
  martlet::condition changed_;
  bool is_let_ = false;
  int inside_ = 0;
};

class waiting_for_predicate final : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    auto held = co_await door_.acquire();
    if (limit) {
      const bool holds = co_await changed_.wait_for(held, *limit, [this] { return is_let_; });
      take(holds);
    } else {
      co_await changed_.wait(held, [this] { return is_let_; });
    }
  }
  void wait_blocking(time_limit limit) override {
    auto held = await(door_.acquire());
    if (limit) {
      take(await(changed_.wait_for(held, *limit, [this] { return is_let_; })));
    } else {
      await(changed_.wait(held, [this] { return is_let_; }));
    }
  }
  void prepare() override { is_let_ = false; }
  void succeed() override {
    {
      const std::lock_guard held(door_);
      is_let_ = true;
    }
    changed_.notify_all();
  }
  bool is_clean() override { return door_.try_acquire().owns_lock(); }

 private:
  static void take(bool holds) {
    if (!holds) {
      throw martlet::deadline_passed();
    }
  }

  martlet::mutex door_;
  martlet::condition changed_;
  bool is_let_ = false;
};

class acquiring_units final : public wait_for_operation<acquiring_units> {
 public:
  auto operation() { return s_.acquire(2); }
  void prepare() override { s_.try_acquire(2).dismiss(); }
  void succeed() override { s_.release(2); }
  void restore() override { s_.release(2); }
  bool is_clean() override { return s_.available() == 3; }

 private:
  martlet::semaphore s_{3};
};

// Each success lets go of all three, so that the other two have to be left alone.
class selecting_locks final : public kind_of_wait {
 public:
  auto operation(time_limit limit) {
    return martlet::select(m_.acquire(), r_.acquire_shared(), s_.acquire(), martlet::sleep_for(limit.value_or(1h)));
  }
  task<> wait(time_limit limit) override {
    const auto first = co_await operation(limit);
    take(first.index());
  }
  void wait_blocking(time_limit limit) override { take(await(operation(limit)).index()); }
  void prepare() override {
    m_.lock();
    r_.lock();
    s_.try_acquire().dismiss();
  }
  void succeed() override {
    ++turn_;
    for (int i = 0; i < 3; ++i) {
      switch ((turn_ + i) % 3) {
        case 0: m_.unlock(); break;
        case 1: r_.unlock(); break;
        default: s_.release(); break;
      }
    }
  }
  void restore() override { succeed(); }
  bool is_clean() override {
    return m_.try_acquire().owns_lock() && r_.try_acquire().owns_lock() && s_.available() == 1;
  }

 private:
  static void take(std::size_t first) {
    if (first == 3) {
      throw martlet::deadline_passed();
    }
  }

  static inline int turn_ = 0;  // of all cases, so that each comes first

  martlet::mutex m_;
  martlet::shared_mutex r_;
  martlet::semaphore s_{1};
};

class waiting_for_group final : public wait_for_operation<waiting_for_group> {
 public:
  auto operation() { return g_.wait(); }
  void prepare() override { g_.add(); }
  void succeed() override { g_.done(); }
  void restore() override { g_.done(); }
  bool is_clean() override { return g_.count() == 0; }

 private:
  martlet::wait_group g_;
};

// The waker's call goes on from `prepare` to `succeed`, in a fiber of its own.
class calling_once : public kind_of_wait {
 public:
  explicit calling_once(scheduler& pool) : pool_(pool) {}

  task<> wait(time_limit limit) override {
    if (limit) {
      co_await martlet::within(*limit, call());
    } else {
      co_await call();
    }
  }
  void wait_blocking(time_limit limit) override {
    if (limit) {
      await(martlet::within(*limit, call()));
    } else {
      once_->call([this] { ++calls_; });
    }
  }
  bool takes_limit(actor who) const override { return who != actor::thread; }
  void prepare() override {
    once_ = std::make_unique<martlet::once>();
    calls_ = 0;
    martlet::event began;
    may_end_.reset();
    caller_ = pool_.spawn([this, &began] {
      const martlet::shield though_it_is_stopped;
      once_->call([this, &began] {
        began.set();
        await(may_end_.wait());
      });
    });
    await(began.wait());
  }
  void succeed() override {
    may_end_.set();
    await(caller_.join());
  }
  void restore() override { succeed(); }
  bool is_clean() override { return once_->is_done() && calls_ == 0; }

 protected:
  std::unique_ptr<martlet::once> once_;

 private:
  task<> call() {
    return once_->call([this]() -> task<> {
      ++calls_;
      co_return;
    });
  }

  scheduler& pool_;
  martlet::event may_end_;
  martlet::handle<> caller_;
  int calls_ = 0;
};

class waiting_for_once final : public calling_once {
 public:
  using calling_once::calling_once;

  task<> wait(time_limit limit) override {
    if (limit) {
      co_await martlet::within(*limit, once_->wait());
    } else {
      co_await once_->wait();
    }
  }
  void wait_blocking(time_limit limit) override {
    if (limit) {
      await(martlet::within(*limit, once_->wait()));
    } else {
      await(once_->wait());
    }
  }
  bool takes_limit(actor) const override { return true; }
};

class arriving final : public wait_for_operation<arriving> {
 public:
  auto operation() { return b_.arrive_and_wait(); }
  void succeed() override { await(b_.arrive_and_wait()); }
  bool is_clean() override { return b_.arrived() == 0; }

 private:
  martlet::barrier b_{2};
};

constexpr wait_entry table[] = {
    {"a select over locks", make_wait<selecting_locks>},
    {"an event", make_wait<waiting_for_event>},
    {"a mutex", make_wait<acquiring<martlet::mutex>>},
    {"a recursive_mutex", make_wait<acquiring<martlet::recursive_mutex>>},
    {"a shared_mutex, for its writer", make_wait<acquiring<martlet::shared_mutex>>},
    {"a shared_mutex, for a writer behind readers", make_wait<acquiring_after_readers>},
    {"a shared_mutex, for a reader", make_wait<acquiring_shared>},
    {"a condition", make_wait<waiting_for_condition>},
    {"a condition with a predicate", make_wait<waiting_for_predicate>},
    {"a semaphore", make_wait<acquiring_units>},
    {"a wait_group", make_wait<waiting_for_group>},
    {"a call of a once", make_wait<calling_once>},
    {"a once", make_wait<waiting_for_once>},
    {"a barrier", make_wait<arriving>},
};

TEST_SUITE("every wait: synchronisation") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    check_waits(table);
  }
}

}  // namespace
