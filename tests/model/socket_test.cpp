#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

#include <poll.h>
#include <sys/epoll.h>

#include <martlet/channel/channel.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/net/error.hpp>
#include <martlet/net/socket.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "descriptor.hpp"
#include "epoll_set.hpp"
#include "listed.hpp"
#include "sleeper.hpp"
#include "system_calls.hpp"

// Who waits at a socket, alone or in a select, against what comes, a close, and a cancel. The system is a wire of the model, whose bytes and events are
// behind a lock of its own, as the kernel's are.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

constexpr int wire_number = -2;

// What has come and was not read, and what is still to be told about it: each event once.
class wire {
 public:
  void come() {
    const std::lock_guard guard(lock_);
    bytes_.set(bytes_.get() + 1);
    tell();
  }
  bool take() {
    const std::lock_guard guard(lock_);
    const int bytes = bytes_.get();
    bytes_.set(bytes == 0 ? 0 : bytes - 1);
    return bytes != 0;
  }
  void watch(std::uint64_t token) {
    const std::lock_guard guard(lock_);
    if (token_.get() == token) {
      return;  // it is watched already
    }
    token_.set(token);
    if (bytes_.get() != 0) {
      tell();
    }
  }
  void close() {
    const std::lock_guard guard(lock_);
    token_.set(0);
    lost_.set(lost_.get() + bytes_.get());
    bytes_.set(0);
  }
  int bytes() {
    const std::lock_guard guard(lock_);
    return bytes_.get();
  }
  // What nobody has read, nor will.
  int left() {
    const std::lock_guard guard(lock_);
    return bytes_.get() + lost_.get();
  }

  /// Serves whoever waits, as a reactor does, for as long as something may come.
  void serve() {
    for (;;) {
      if (const std::uint64_t token = told_.exchange(0, base::acquire); token != 0) {
        detail::descriptor::on_events(token, EPOLLIN);
      } else if (is_over_.load(base::relaxed)) {
        return;
      } else {
        base::cpu_pause();
      }
    }
  }
  void stop_serving() { is_over_.store(true, base::relaxed); }

 private:
  void tell() {
    if (token_.get() != 0) {
      told_.exchange(token_.get(), base::release);
    }
  }

  base::spin_lock lock_;
  var<int> bytes_{0};
  var<int> lost_{0};
  var<std::uint64_t> token_{0};
  base::atomic<std::uint64_t> told_{0};
  base::atomic<bool> is_over_{false};
};

wire* present = nullptr;

}  // namespace

namespace martlet::detail {

// Who asks them would be no part of a program here.
epoll_set* epoll_set::of_this_thread() noexcept { return nullptr; }
int epoll_set::add(int, std::uint64_t) noexcept { return ENOMEM; }
void epoll_set::remove(int) noexcept {}

namespace calls::simulated {

ssize_t receive(int, void*, std::size_t, int) noexcept {
  if (present->take()) {
    return 1;
  }
  errno = EAGAIN;
  return -1;
}
void watch(int, std::uint64_t token) noexcept { present->watch(token); }
void close(int) noexcept { present->close(); }

int open(int) { return no_socket; }
int listen(int, const sockaddr*, socklen_t, int, bool) noexcept { return -1; }
int local_name(int, sockaddr*, socklen_t*) noexcept { return -1; }
int remote_name(int, sockaddr*, socklen_t*) noexcept { return -1; }
int shut_down_write(int) noexcept { return -1; }
bool is_ready(int, short) noexcept { return present->bytes() != 0; }

}  // namespace calls::simulated
}  // namespace martlet::detail

namespace {

// Reads one byte.
class read_one final : public detail::case_operation<read_one, detail::socket_wait> {
 public:
  explicit read_one(const detail::socket& from) noexcept
      : case_operation<read_one, socket_wait>(from, detail::inward, attempt) {}

  void result() const { this->throw_error("read"); }

 private:
  static bool attempt(detail::socket_wait&, int fd) noexcept { return detail::calls::receive(fd, nullptr, 1, 0) > 0; }
};

// Ends when an event says that something can be read, as it came.
class readable final : public detail::case_operation<readable, detail::socket_wait> {
 public:
  explicit readable(const detail::socket& from) noexcept
      : case_operation<readable, socket_wait>(from, detail::inward, attempt) {
    this->trusts_events_ = true;
  }

  void result() const { this->throw_error("wait"); }

 private:
  static bool attempt(detail::socket_wait&, int fd) noexcept { return detail::calls::is_ready(fd, POLLIN); }
};

enum class end { read, closed, cancelled };

struct reader {
  explicit reader(crew& others) : self(others) {}

  end read(const detail::socket& from) {
    try {
      wait(self, read_one(from));
      ++taken;
      return end::read;
    } catch (const martlet::net::socket_closed&) {
      return end::closed;
    } catch (const martlet::cancelled&) {
      return end::cancelled;
    }
  }

  sleeper self;
  int taken = 0;
};

struct connection {
  connection() { present = &line; }

  // Runs who uses the socket, and what others do meanwhile; events are served until he has ended.
  template <class... Others>
  void run(const char* name, const std::function<void()>& use, const Others&... meanwhile) {
    run_threads({{"serves", [this] { line.serve(); }},
                 {name,
                  [this, &use] {
                    use();
                    line.stop_serving();
                  }},
                 meanwhile...});
  }

  crew others;
  wire line;
  detail::socket end{wire_number};
};

void one_that_reads() {
  connection all;
  reader one(all.others);
  all.run(
      "reads", [&] { require(one.read(all.end) == end::read, "nobody ends it"); },
      thread{"sends", [&] { all.line.come(); }});
  one.self.end();
}

void one_that_reads_twice() {
  connection all;
  reader one(all.others);
  all.run(
      "reads", [&] { require(one.read(all.end) == end::read && one.read(all.end) == end::read, "nobody ends it"); },
      thread{"sends", [&] {
               all.line.come();
               all.line.come();
             }});
  one.self.end();
}

void closed() {
  connection all;
  reader one(all.others);
  all.run(
      "reads", [&] { require(one.read(all.end) == end::closed, "nothing comes"); },
      thread{"closes", [&] { all.end.close(); }});
  one.self.end();
}

void closed_while_one_sends() {
  connection all;
  reader one(all.others);
  all.run(
      "reads", [&] { static_cast<void>(one.read(all.end)); }, thread{"sends", [&] { all.line.come(); }},
      thread{"closes", [&] { all.end.close(); }});
  require(one.taken + all.line.left() == 1, "what came was read, or was not");
  one.self.end();
}

// The next socket has the same descriptor, and an event of the one before may still be on its way: it says nothing about the next.
void opened_again() {
  connection all;
  reader one(all.others), next(all.others);
  base::atomic<bool> is_open_again{false};
  all.run(
      "reads",
      [&] {
        require(one.read(all.end) == end::read, "nobody ends it");
        all.end.close();
        all.end = detail::socket(wire_number);
        is_open_again.store(true, base::release);
        wait(next.self, readable(all.end));
        require(all.line.bytes() != 0, "who was told that something can be read can read it");
      },
      thread{"sends", [&] {
               all.line.come();
               all.line.come();
               while (!is_open_again.load(base::acquire)) {
                 base::cpu_pause();
               }
               all.line.come();
             }});
  one.self.end();
  next.self.end();
}

// What was not read is still there.
void cancelled() {
  connection all;
  reader one(all.others);
  all.run(
      "reads", [&] { static_cast<void>(one.read(all.end)); }, thread{"sends", [&] { all.line.come(); }},
      thread{"cancels", [&] { detail::request_cancel(&one.self); }});
  require(one.taken + all.line.bytes() == 1, "what came was read, or is there");
  one.self.end();
}

// Its word is claimed by whoever comes first, under the lock of the other case too.
void selected() {
  connection all;
  reader one(all.others);
  martlet::channel<int> other(1);
  bool is_selected = false;
  all.run(
      "selects",
      [&] {
        try {
          wait(one.self, martlet::select(read_one(all.end), other.receive()));
          is_selected = true;
        } catch (const martlet::cancelled&) {}
      },
      thread{"sends", [&] { all.line.come(); }}, thread{"closes the channel", [&] { other.close(); }},
      thread{"cancels", [&] { detail::request_cancel(&one.self); }});
  require(is_selected || all.line.bytes() == 1, "what came was read, or is there");
  one.self.end();
}

// Each of its blocks stays for ever.
void walked_over() {
  detail::descriptor_pool pool;
  run_threads({{"takes", [&] { require(pool.try_take() != nullptr, "there is memory"); }},
               {"walks", [&] {
                  pool.walk([](detail::descriptor& d) {
                    require(d.generation.load(base::relaxed) == 0, "nobody has used it");
                  });
                }}});
}

}  // namespace

TEST_SUITE("socket") {
  TEST_CASE("what comes is read once, and who waits goes on") {
    check({
        {"one that reads, one that sends", one_that_reads, 5'838},
        {"one that reads twice, one that sends twice", one_that_reads_twice, 0},
        {"one that reads, one that closes", closed, 78},
        {"one that reads, one that sends, one that closes", closed_while_one_sends, 0},
        {"one that reads, and waits at the next socket, one that sends to both", opened_again, 0},
        {"one that reads, one that sends, one that cancels", cancelled, 0},
        {"one that selects, one that sends, one that closes the other case, one that cancels", selected, 0},
    });
  }

  TEST_CASE("a pool of descriptors is walked over while it grows") {
    check({{"one that takes, one that walks", walked_over, 2}});
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({walked_over}, {"[descriptors.publish]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
