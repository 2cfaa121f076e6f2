#include "every_wait.hpp"

#include <optional>

// Sends, receives and selects over channels.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::channel;
using martlet::task;

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

constexpr wait_entry table[] = {
    {"a send", make_wait<sending>},      {"a send into a full buffer", make_wait<sending_into_buffer>},
    {"a receive", make_wait<receiving>}, {"the next value of a channel", make_wait<iterating>},
    {"a select", make_wait<selecting>},
};

TEST_SUITE("every wait: channels") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    check_waits(table);
  }
}

}  // namespace
