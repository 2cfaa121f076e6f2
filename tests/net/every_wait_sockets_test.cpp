#include "every_wait.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <martlet/net.hpp>

#include "wire.hpp"

// Reads, writes and connections.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;

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

constexpr wait_entry table[] = {
    {"a read", make_wait<reading>},
    {"a write", make_wait<writing>},
    {"an accept", make_wait<accepting>},
    {"a connect", make_wait<connecting>},
};

TEST_SUITE("every wait: sockets") {
  TEST_CASE("each ends as it should, whoever waits and whoever wakes, and can be waited for again") {
    check_waits(table);
  }
}

}  // namespace
