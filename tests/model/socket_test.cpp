#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <sys/epoll.h>

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

// Who waits at a socket, against what comes, a close, and a cancel. The system is a wire of the model, whose bytes and events are
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
  }
  int bytes() const { return bytes_.get(); }

  /// Serves whoever waits, as a reactor does, for as long as something may come.
  void serve() {
    for (;;) {
      int events = 0;
      while ((events = events_.exchange(0, base::acquire)) == 0) {
        base::cpu_pause();
      }
      if ((events & 1) != 0) {
        detail::descriptor::on_events(told_, EPOLLIN);
      }
      if ((events & 2) != 0) {
        return;
      }
    }
  }
  void stop_serving() { events_.fetch_or(2, base::release); }

 private:
  void tell() {
    if (token_.get() != 0) {
      told_ = token_.get();
      events_.fetch_or(1, base::release);
    }
  }

  base::spin_lock lock_;
  var<int> bytes_{0};
  var<std::uint64_t> token_{0};
  std::uint64_t told_ = 0;
  base::atomic<int> events_{0};
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

  crew others;
  wire line;
  detail::socket end{wire_number};
};

void one_that_reads() {
  connection all;
  reader one(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  require(one.read(all.end) == end::read, "nobody ends it");
                  all.line.stop_serving();
                }},
               {"sends", [&] { all.line.come(); }}});
  one.self.end();
}

void one_that_reads_twice() {
  connection all;
  reader one(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  require(one.read(all.end) == end::read && one.read(all.end) == end::read, "nobody ends it");
                  all.line.stop_serving();
                }},
               {"sends", [&] {
                  all.line.come();
                  all.line.come();
                }}});
  one.self.end();
}

void closed() {
  connection all;
  reader one(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  require(one.read(all.end) == end::closed, "nothing comes");
                  all.line.stop_serving();
                }},
               {"closes", [&] { all.end.close(); }}});
  one.self.end();
}

void closed_while_one_sends() {
  connection all;
  reader one(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  static_cast<void>(one.read(all.end));
                  all.line.stop_serving();
                }},
               {"sends", [&] { all.line.come(); }},
               {"closes", [&] { all.end.close(); }}});
  require(one.taken + all.line.bytes() == 1, "what came was read, or was not");
  one.self.end();
}

// The next socket has the same descriptor, and an event of the one before may still be on its way.
void opened_again() {
  connection all;
  reader one(all.others), next(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  require(one.read(all.end) == end::read, "nobody ends it");
                  all.end.close();
                  all.end = detail::socket(wire_number);
                  require(next.read(all.end) == end::read, "nobody ends it");
                  all.line.stop_serving();
                }},
               {"sends", [&] {
                  all.line.come();
                  all.line.come();
                }}});
  one.self.end();
  next.self.end();
}

// What was not read is still there.
void cancelled() {
  connection all;
  reader one(all.others);
  run_threads({{"serves", [&] { all.line.serve(); }},
               {"reads",
                [&] {
                  static_cast<void>(one.read(all.end));
                  all.line.stop_serving();
                }},
               {"sends", [&] { all.line.come(); }},
               {"cancels", [&] { detail::request_cancel(&one.self); }}});
  require(one.taken + all.line.bytes() == 1, "what came was read, or is there");
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
        {"one that reads, and reads again from the next socket, one that sends twice", opened_again, 0},
        {"one that reads, one that sends, one that cancels", cancelled, 0},
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
