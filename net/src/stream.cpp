#include <martlet/net/stream.hpp>

#include <array>
#include <cerrno>
#include <string>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "system_calls.hpp"

namespace martlet {

namespace detail {
namespace {

constexpr std::size_t pieces_a_call = 16;

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

// ---- reading

read_operation::read_operation(const socket& from, std::span<std::byte> into) noexcept
    : case_operation<read_operation, socket_wait>(from, inward, attempt), into_(into) {}

bool read_operation::attempt(socket_wait& wait, int fd) noexcept {
  auto& self = static_cast<read_operation&>(wait);
  if (self.into_.empty()) {
    return true;
  }
  ssize_t count = 0;
  do {
    count = calls::receive(fd, self.into_.data(), self.into_.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (would_block(errno)) {
      return false;
    }
    self.error_ = errno;
    return true;
  }
  self.count_ = static_cast<std::size_t>(count);
  self.is_short_ = self.count_ != 0 && self.count_ < self.into_.size();
  return true;
}

std::size_t read_operation::result() const {
  throw_error("read");
  return count_;
}

readable_operation::readable_operation(const socket& from) noexcept
    : case_operation<readable_operation, socket_wait>(from, inward, attempt) {
  trusts_events_ = true;
}

bool readable_operation::attempt(socket_wait& wait, int fd) noexcept {
  char first;
  ssize_t count = 0;
  do {
    count = calls::receive(fd, &first, 1, MSG_PEEK);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (would_block(errno)) {
      return false;
    }
    static_cast<readable_operation&>(wait).error_ = errno;
  }
  return true;
}

void readable_operation::result() const { throw_error("wait for something to read"); }

// ---- writing

write_operation::write_operation(const socket& to, std::span<const std::byte> from, until what) noexcept
    : case_operation<write_operation, socket_wait>(to, outward, attempt), present_(from) {
  makes_progress_ = what == until::all;
}

write_operation::write_operation(const socket& to, net::pieces from, until what) noexcept
    : case_operation<write_operation, socket_wait>(to, outward, attempt), later_(from) {
  makes_progress_ = what == until::all;
}

bool write_operation::attempt(socket_wait& wait, int fd) noexcept {
  auto& self = static_cast<write_operation&>(wait);
  for (;;) {
    std::array<iovec, pieces_a_call> list;
    std::size_t count = 0;
    std::size_t size = 0;
    const auto add = [&](std::span<const std::byte> piece) {
      if (!piece.empty()) {
        list[count++] = {.iov_base = const_cast<std::byte*>(piece.data()), .iov_len = piece.size()};
        size += piece.size();
      }
    };
    add(self.present_);
    for (const auto& piece : self.later_) {
      if (count == list.size()) {
        break;
      }
      add(piece);
    }
    if (count == 0) {
      return true;  // everything is written
    }
    msghdr message{};
    message.msg_iov = list.data();
    message.msg_iovlen = count;
    const ssize_t sent = calls::send(fd, message);
    if (sent < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (would_block(errno)) {
        return false;
      }
      self.error_ = errno;
      return true;
    }
    auto rest = static_cast<std::size_t>(sent);
    self.count_ += rest;
    while (rest > self.present_.size() || (rest == self.present_.size() && !self.later_.empty())) {
      rest -= self.present_.size();
      self.present_ = self.later_.front();
      self.later_ = self.later_.subspan(1);
    }
    self.present_ = self.present_.subspan(rest);
    if (!self.makes_progress_) {
      return true;
    }
  }
}

std::size_t write_operation::result() const {
  throw_error("write");
  return count_;
}

// ---- connecting

connect_operation::connect_operation(socket&& from, const net::endpoint& to) noexcept
    : case_operation<connect_operation, socket_wait>(from, outward, attempt), socket_(std::move(from)), to_(to) {}

// A second call tells how far the first one got.
bool connect_operation::attempt(socket_wait& wait, int fd) noexcept {
  auto& self = static_cast<connect_operation&>(wait);
  int error = 0;
  do {
    error = calls::connect(fd, self.to_.data(), self.to_.size()) == 0 ? 0 : errno;
  } while (error == EINTR);
  if (error == EINPROGRESS || error == EALREADY) {  // EAGAIN of a Unix socket ends it: no event tells of a queue's room
    return false;
  }
  if (error == 0 || error == EISCONN) {
    if (self.to_.family() != AF_UNIX) {
      calls::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
  } else {
    self.error_ = error;
  }
  return true;
}

net::stream connect_operation::result() {
  if (error_ != 0) {
    throw_error(("connect to " + to_.to_string()).c_str());
  }
  return net::stream(std::move(socket_));
}

}  // namespace detail

namespace net {

void stream::no_delay(bool on) { socket_.set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "no_delay"); }

}  // namespace net

}  // namespace martlet
