#include "every_wait.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <thread>
#include <utility>

#include <martlet/net.hpp>

#include "wire.hpp"

// Calls on the side pool, alone and in a select.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;

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

constexpr wait_entry table[] = {
    {"a select over a call and a socket", make_wait<selecting_outside>},
    {"a blocking call", make_wait<calling>},
};

TEST_SUITE("every wait: calls that block") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    check_waits(table);
  }
}

}  // namespace
