// Everything that waits, however its wait ends, whoever waits and whoever wakes. A new kind of wait is one class here and one
// line in the table.
#include "every_wait.hpp"

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <martlet/net.hpp>

#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

// ---- channels

class sending final : public wait_for_operation<sending> {
 public:
  auto operation() { return c_.send(7); }
  void succeed() override { is_right_ = await(c_.receive()) == 7 && is_right_; }
  std::optional<ending> close() override {
    c_.close();
    return ending::closed;
  }
  bool is_clean() override { return is_right_ && c_.balance() == 0; }

 private:
  channel<int> c_;
  bool is_right_ = true;
};

// The buffer is full.
class sending_into_buffer final : public wait_for_operation<sending_into_buffer> {
 public:
  auto operation() { return c_.send(7); }
  void prepare() override {
    for (int filling = 0; c_.try_send(filling) == martlet::try_status::done; filling = 0) {}
  }
  void succeed() override { await(c_.receive()); }
  std::optional<ending> close() override {
    c_.close();
    return ending::closed;
  }
  bool is_clean() override {
    int left = 0;
    return c_.balance() == 1 && c_.try_receive(left) == martlet::try_status::done && left == 7;
  }

 private:
  channel<int> c_{1};
};

class receiving final : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    std::optional<int> got;
    if (limit) {
      got = co_await martlet::within(*limit, c_.receive());
    } else {
      got = co_await c_.receive();
    }
    take(got);
  }
  void wait_blocking(time_limit limit) override {
    take(limit ? await(martlet::within(*limit, c_.receive())) : await(c_.receive()));
  }
  void succeed() override { await(c_.send(++sent_)); }
  std::optional<ending> close() override {
    c_.close();
    return ending::closed;
  }
  bool is_clean() override { return received_ == sent_ && c_.balance() == 0; }

 private:
  void take(std::optional<int> got) {
    if (!got) {
      throw was_closed();
    }
    received_ = *got;
  }

  channel<int> c_;
  int sent_ = 0;
  int received_ = 0;
};

class iterating final : public wait_that_blocks {
 public:
  void wait_blocking(time_limit) override {
    for (const int got : c_) {
      received_ = got;
      return;
    }
    throw was_closed();
  }
  void succeed() override { await(c_.send(++sent_)); }
  std::optional<ending> close() override {
    c_.close();
    return ending::closed;
  }
  bool takes_limit(actor) const override { return false; }
  bool is_clean() override { return received_ == sent_ && c_.balance() == 0; }

 private:
  channel<int> c_;
  int sent_ = 0;
  int received_ = 0;
};

class selecting final : public kind_of_wait {
 public:
  task<> wait(time_limit limit) override {
    const auto first = co_await martlet::select(one_.receive(), martlet::sleep_for(limit.value_or(1h)), two_.receive());
    take(first);
  }
  void wait_blocking(time_limit limit) override {
    take(await(martlet::select(one_.receive(), martlet::sleep_for(limit.value_or(1h)), two_.receive())));
  }
  void succeed() override { await(two_.send(1)); }
  std::optional<ending> close() override {
    one_.close();
    return ending::closed;
  }
  bool is_clean() override { return one_.balance() == 0 && two_.balance() == 0; }

 private:
  template <class First>
  static void take(const First& first) {
    if (first.index() == 1) {
      throw martlet::deadline_passed();
    }
    if (first.index() == 0) {
      throw was_closed();
    }
  }

  channel<int> one_;
  channel<int> two_;
};

// ---- tasklets and time

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

// ---- synchronisation

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

// ---- sockets

class reading final : public wait_for_operation<reading> {
 public:
  auto operation() { return pair_.first.read_some(buffer_); }
  void succeed() override { await(pair_.second.write_all(bytes("x"))); }
  bool is_prompt() const override { return false; }
  std::optional<ending> close() override {
    pair_.first.close();
    return ending::closed;
  }

 private:
  std::pair<martlet::net::stream, martlet::net::stream> pair_ = connected();
  std::array<std::byte, 1> buffer_{};
};

// Through a socket that has room as soon as the other side has read: a TCP acknowledgement may come later.
class writing final : public wait_for_operation<writing> {
 public:
  auto operation() { return pair_.first.write_some(data_); }
  void prepare() override {
    while (::send(pair_.first.native_handle(), data_.data(), data_.size(), MSG_DONTWAIT) > 0) {}
  }
  void succeed() override {
    while (::recv(pair_.second.native_handle(), into_.data(), into_.size(), MSG_DONTWAIT) > 0) {}
  }
  bool is_prompt() const override { return false; }
  std::optional<ending> close() override {
    pair_.first.close();
    return ending::closed;
  }

 private:
  static std::pair<martlet::net::stream, martlet::net::stream> connected_by_path() {
    const std::string path = "/tmp/martlet-every-wait-" + std::to_string(::getpid());
    martlet::net::listener door(martlet::net::endpoint::unix_path(path));
    martlet::net::stream one = await(martlet::net::connect(door.local_endpoint()));
    martlet::net::stream other = await(door.accept());
    ::unlink(path.c_str());
    return {std::move(one), std::move(other)};
  }

  std::pair<martlet::net::stream, martlet::net::stream> pair_ = connected_by_path();
  std::vector<std::byte> data_ = std::vector<std::byte>(1 << 12);
  std::vector<std::byte> into_ = std::vector<std::byte>(1 << 16);
};

class accepting final : public wait_for_operation<accepting> {
 public:
  auto operation() { return door_.accept(); }
  void succeed() override { await(martlet::net::connect(door_.local_endpoint())); }
  bool is_prompt() const override { return false; }
  std::optional<ending> close() override {
    door_.close();
    return ending::closed;
  }

 private:
  martlet::net::listener door_{martlet::net::endpoint::localhost(0)};
};

// Connecting succeeds by itself, except where the queue of who is connected to is full.
class connecting final : public wait_for_operation<connecting> {
 public:
  auto operation() { return martlet::net::connect(is_to_succeed ? open_.local_endpoint() : full().local_endpoint()); }
  void prepare() override { full(); }
  void succeed() override {}
  bool succeeds_by_itself() const override { return true; }
  bool is_prompt() const override { return false; }

 private:
  struct full_door {
    full_door() {
      ::listen(door.native_handle(), 0);
      for (int i = 0; i < 4; ++i) {
        try {
          waiting.push_back(await(martlet::within(50ms, martlet::net::connect(door.local_endpoint()))));
        } catch (const martlet::deadline_passed&) {}
      }
    }

    martlet::net::listener door{martlet::net::endpoint::localhost(0)};
    std::vector<martlet::net::stream> waiting;
  };

  // One for all cases, since filling its queue takes time.
  static martlet::net::listener& full() {
    static auto* one = new full_door;
    return one->door;
  }

  martlet::net::listener open_{martlet::net::endpoint::localhost(0)};
};

// ---- calls that block

// Somebody else's call, which keeps the only thread that the pool has for them.
class other_call {
 public:
  explicit other_call(scheduler& pool) : pool_(pool) {}
  other_call(const other_call&) = delete;
  other_call& operator=(const other_call&) = delete;
  ~other_call() { end(); }

  void begin() {
    if (holder_) {
      return;
    }
    may_end_ = is_held_ = false;
    holder_ = pool_.spawn([this] {
      await(martlet::blocking([this] {
        is_held_ = true;
        while (!may_end_) {
          std::this_thread::sleep_for(100us);
        }
      }));
    });
    REQUIRE(eventually([this] { return is_held_.load(); }));
  }
  void end() {
    may_end_ = true;
    if (holder_) {
      await(std::exchange(holder_, {}));
    }
  }

 private:
  scheduler& pool_;
  martlet::base::atomic<bool> may_end_{false};
  martlet::base::atomic<bool> is_held_{false};
  martlet::handle<> holder_;
};

class calling final : public wait_for_operation<calling> {
 public:
  explicit calling(scheduler& pool) : other_(pool) {}

  auto operation() {
    return martlet::blocking([this] { ++calls_; });
  }
  void prepare() override { other_.begin(); }
  void succeed() override { other_.end(); }
  void restore() override { other_.end(); }
  bool is_prompt() const override { return false; }
  bool is_for(actor who) const override { return who != actor::thread; }
  bool is_clean() override { return calls_ != 0; }

 private:
  martlet::base::atomic<int> calls_{0};
  other_call other_;
};

// Each second success is the call's, the others the socket's; a call that is not told has not been made.
class selecting_outside final : public kind_of_wait {
 public:
  explicit selecting_outside(scheduler& pool) : other_(pool) {}

  auto operation(time_limit limit) {
    return martlet::select(martlet::blocking([this] { ++calls_; }), pair_.first.read_some(buffer_),
                           martlet::sleep_for(limit.value_or(1h)));
  }
  task<> wait(time_limit limit) override {
    const auto first = co_await operation(limit);
    take(first.index());
  }
  void wait_blocking(time_limit limit) override { take(await(operation(limit)).index()); }
  void prepare() override { other_.begin(); }
  void succeed() override {
    if (++turn_ % 2 == 0) {
      other_.end();
    } else {
      await(pair_.second.write_all(bytes("x")));
    }
  }
  void restore() override { other_.end(); }
  bool is_prompt() const override { return false; }
  bool is_for(actor who) const override { return who != actor::thread; }
  std::optional<ending> close() override {
    pair_.first.close();
    return ending::closed;
  }
  bool is_clean() override { return calls_ == told_; }

 private:
  void take(std::size_t first) {
    if (first == 2) {
      throw martlet::deadline_passed();
    }
    told_ += first == 0 ? 1 : 0;
  }

  static inline int turn_ = 0;  // of all cases

  std::pair<martlet::net::stream, martlet::net::stream> pair_ = connected();
  std::array<std::byte, 1> buffer_{};
  martlet::base::atomic<int> calls_{0};
  int told_ = 0;
  other_call other_;
};

// ---- the table

struct entry {
  const char* name;
  std::unique_ptr<kind_of_wait> (*make)(scheduler& pool);
};

template <class Kind>
std::unique_ptr<kind_of_wait> make(scheduler& pool) {
  if constexpr (std::is_constructible_v<Kind, scheduler&>) {
    return std::make_unique<Kind>(pool);
  } else {
    return std::make_unique<Kind>();
  }
}

constexpr entry table[] = {
    {"a send", make<sending>},
    {"a send into a full buffer", make<sending_into_buffer>},
    {"a receive", make<receiving>},
    {"the next value of a channel", make<iterating>},
    {"a select", make<selecting>},
    {"a select over locks", make<selecting_locks>},
    {"a select over a call and a socket", make<selecting_outside>},
    {"a join", make<joining>},
    {"the join of a scope", make<joining_scope>},
    {"the end of in_scope", make<ending_scope>},
    {"a sleep", make<sleeping>},
    {"a yield", make<yielding>},
    {"an event", make<waiting_for_event>},
    {"a mutex", make<acquiring<martlet::mutex>>},
    {"a recursive_mutex", make<acquiring<martlet::recursive_mutex>>},
    {"a shared_mutex, for its writer", make<acquiring<martlet::shared_mutex>>},
    {"a shared_mutex, for a writer behind readers", make<acquiring_after_readers>},
    {"a shared_mutex, for a reader", make<acquiring_shared>},
    {"a condition", make<waiting_for_condition>},
    {"a condition with a predicate", make<waiting_for_predicate>},
    {"a semaphore", make<acquiring_units>},
    {"a wait_group", make<waiting_for_group>},
    {"a call of a once", make<calling_once>},
    {"a once", make<waiting_for_once>},
    {"a barrier", make<arriving>},
    {"a read", make<reading>},
    {"a write", make<writing>},
    {"an accept", make<accepting>},
    {"a connect", make<connecting>},
    {"a blocking call", make<calling>},
};

bool has_case(kind_of_wait& in, fate what, actor who) {
  return in.is_for(who) && !(needs_tasklet(what) && who == actor::thread) &&
         !(needs_limit(what) && !in.takes_limit(who)) && !(what == fate::is_closed && !in.close());
}

TEST_SUITE("every wait") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    scheduler quiet({.workers = 2, .blocking_threads = 1});
    scheduler restless({.workers = 2, .migrate_always = true, .blocking_threads = 1});
    for (const entry& one : table) {
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
                stopped.emplace(martlet::scheduler_options{
                    .workers = 1, .migrate_always = i % 2 != 0, .blocking_threads = 1});
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
}

}  // namespace
