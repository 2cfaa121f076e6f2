// An echo server by hand: each thread has a ring, whose receives take buffers by themselves; the first one accepts.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <latch>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support.hpp"

namespace {

constexpr unsigned buffers = 2048;  // of each ring; more than it has connections
constexpr std::size_t buffer_bytes = 4096;

enum class event : std::uint8_t { accepted, handed_out, received, sent, told, ended };

/// What a completion is about.
struct tag {
  event kind;
  std::uint16_t buffer = 0;
  std::int32_t socket = 0;
};

std::uint64_t pack(tag of) {
  return static_cast<std::uint64_t>(of.kind) << 48 | static_cast<std::uint64_t>(of.buffer) << 32 |
         static_cast<std::uint32_t>(of.socket);
}

tag unpack(std::uint64_t of) {
  return {static_cast<event>(of >> 48), static_cast<std::uint16_t>(of >> 32), static_cast<std::int32_t>(of)};
}

void check(int code, const char* what) {
  if (code < 0) {
    throw std::system_error(-code, std::generic_category(), what);
  }
}

class loop;

/// What the threads share.
struct server {
  explicit server(int threads) : ready(threads) {}

  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::latch ready;
  std::vector<loop*> loops;
  long expected = 0;
  long accepted = 0;
  std::atomic<long> closed = 0;
  std::atomic<long> bytes = 0;
  double cpu_before = 0;
  double cpu_after = 0;
};

class loop {
 public:
  explicit loop(server& all) : all_(all), memory_(buffers) {}

  void serve(bool accepts) {
    start();
    all_.ready.arrive_and_wait();
    if (accepts) {
      accept();
    }
    for (bool ended = false; !ended;) {
      check(::io_uring_submit_and_wait(&ring_, 1), "cannot wait");
      unsigned seen = 0;
      unsigned head = 0;
      io_uring_cqe* one = nullptr;
      io_uring_for_each_cqe(&ring_, head, one) {
        ++seen;
        ended = complete(*one, unpack(one->user_data)) || ended;
      }
      ::io_uring_cq_advance(&ring_, seen);
    }
    ::io_uring_submit(&ring_);
    all_.bytes += bytes_;
  }

 private:
  /// On the loop's own thread, which is the only one that may use the ring.
  void start() {
    check(::io_uring_queue_init(4096, &ring_, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN), "no ring");
    void* const queue = ::operator new(buffers * sizeof(io_uring_buf), std::align_val_t(4096));
    free_ = static_cast<io_uring_buf_ring*>(queue);
    ::io_uring_buf_ring_init(free_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(queue);
    registration.ring_entries = buffers;
    check(::io_uring_register_buf_ring(&ring_, &registration, 0), "no buffers");
    for (std::uint16_t i = 0; i < buffers; ++i) {
      give(i);
    }
  }

  io_uring_sqe* entry(tag about) {
    io_uring_sqe* free = ::io_uring_get_sqe(&ring_);
    while (free == nullptr) {
      check(::io_uring_submit(&ring_), "cannot submit");
      free = ::io_uring_get_sqe(&ring_);
    }
    ::io_uring_sqe_set_data64(free, pack(about));
    return free;
  }

  void give(std::uint16_t buffer) {
    ::io_uring_buf_ring_add(free_, memory_[buffer].data(), buffer_bytes, buffer, ::io_uring_buf_ring_mask(buffers), 0);
    ::io_uring_buf_ring_advance(free_, 1);
  }

  void accept() {
    ::io_uring_prep_multishot_accept(entry({event::accepted}), all_.listener, nullptr, nullptr, SOCK_CLOEXEC);
  }

  void receive(int socket) {
    io_uring_sqe* const receiving = entry({event::received, 0, socket});
    ::io_uring_prep_recv_multishot(receiving, socket, nullptr, 0, 0);
    receiving->flags |= IOSQE_BUFFER_SELECT;
  }

  void tell(loop& other, tag what) {
    ::io_uring_prep_msg_ring(entry({event::told}), other.ring_.ring_fd, 0, pack(what), 0);
  }

  void hand_out(int socket) {
    if (all_.accepted == 0) {
      all_.cpu_before = cpu_seconds();
    }
    loop& other = *all_.loops[static_cast<std::size_t>(all_.accepted) % all_.loops.size()];
    ++all_.accepted;
    if (&other == this) {
      receive(socket);
    } else {
      tell(other, {event::handed_out, 0, socket});
    }
  }

  /// Returns   whether that was the end of the last connection.
  bool close_one(int socket) {
    ::close(socket);
    if (++all_.closed != all_.expected) {
      return false;
    }
    all_.cpu_after = cpu_seconds();
    for (loop* const other : all_.loops) {
      if (other != this) {
        tell(*other, {event::ended});
      }
    }
    return true;
  }

  /// Returns   whether the loop has to end.
  bool complete(const io_uring_cqe& one, tag about) {
    const bool goes_on = (one.flags & IORING_CQE_F_MORE) != 0;
    switch (about.kind) {
      case event::accepted:
        check(one.res, "cannot accept");
        hand_out(one.res);
        if (!goes_on && all_.accepted < all_.expected) {
          accept();
        }
        return false;
      case event::handed_out: receive(about.socket); return false;
      case event::received:
        if (one.res <= 0 && one.res != -ENOBUFS) {
          return close_one(about.socket);
        }
        if (one.res > 0) {
          send(about.socket, static_cast<std::uint16_t>(one.flags >> IORING_CQE_BUFFER_SHIFT), one.res);
        }
        if (!goes_on) {
          receive(about.socket);
        }
        return false;
      case event::sent: give(about.buffer); return false;
      case event::told: check(one.res, "cannot tell another thread"); return false;
      case event::ended: return true;
    }
    return false;
  }

  void send(int socket, std::uint16_t buffer, int size) {
    bytes_ += size;
    ::io_uring_prep_send(entry({event::sent, buffer, socket}), socket, memory_[buffer].data(),
                         static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_WAITALL);
  }

  server& all_;
  io_uring ring_{};
  io_uring_buf_ring* free_ = nullptr;
  std::vector<std::array<char, buffer_bytes>> memory_;
  long bytes_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s THREADS CONNECTIONS\n", arguments[0]);
    return 2;
  }
  const int threads = std::atoi(arguments[1]);
  server self(threads);
  self.expected = std::atol(arguments[2]);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int on = 1;  // which accepted sockets inherit
  if (::bind(self.listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(self.listener, 4096) != 0 ||
      ::setsockopt(self.listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      ::getsockname(self.listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("cannot listen");
    return 1;
  }
  std::deque<loop> loops;
  for (int i = 0; i < threads; ++i) {
    self.loops.push_back(&loops.emplace_back(self));
  }
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < self.loops.size(); ++i) {
      others.emplace_back([&self, i] { self.loops[i]->serve(false); });
    }
    self.loops[0]->serve(true);
  }
  const double requests = static_cast<double>(self.bytes) / 64;
  std::printf("cpu_us %.3f\n", 1e6 * (self.cpu_after - self.cpu_before) / requests);
  return 0;
}
