#include "simulated_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/epoll.h>

#include "descriptor.hpp"

namespace martlet::detail {
namespace {

constexpr base::instant knocks_again_after = 1'000'000'000;  // where the queue is full; Source: RFC 6298, 2.1

}  // namespace

simulated_socket::simulated_socket(std::shared_ptr<wires> network, int family)
    : local(nameless(family)), remote(local), network_(std::move(network)), id_(network_->add(*this)) {}

simulated_socket::~simulated_socket() { network_->remove(id_); }

// ---- what the program does

int simulated_socket::listen(const net::endpoint& at, int backlog, bool share_port) {
  local = at.family() != AF_UNIX && at.port() == 0 ? network_->with_new_port(at) : at;
  if (network_->is_taken(local, share_port)) {
    return -EADDRINUSE;
  }
  shares_port = share_port;
  backlog_ = static_cast<std::size_t>(std::max(backlog, 1));
  phase_ = phase::listening;
  network_->enter_door(*this);
  return 0;
}

int simulated_socket::connect(const net::endpoint& to) {
  if (error_ != 0) {
    return -take_error();
  }
  switch (phase_) {
    case phase::connecting: return -EALREADY;
    case phase::connected: return -EISCONN;
    default: break;
  }
  remote = as_destination(to);
  if (to.family() != AF_UNIX) {
    local = network_->with_new_port(remote);
  }
  phase_ = phase::connecting;
  began_ = base::now();
  network_->send({.what = message::kind::knock, .to = shared_from_this()}, *this);
  return -EINPROGRESS;
}

ssize_t simulated_socket::receive(std::byte* into, std::size_t size, bool keeps) {
  if (arrived_.empty()) {
    if (error_ != 0) {
      return -take_error();
    }
    return end_has_arrived_ || phase_ == phase::broken ? 0 : phase_ == phase::connected ? -EAGAIN : -ENOTCONN;
  }
  const std::size_t count = std::min(size, arrived_.size());
  const auto end = arrived_.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(arrived_.begin(), end, into);
  if (!keeps) {
    arrived_.erase(arrived_.begin(), end);
    const bool was_full = peer_ != nullptr && peer_->room() == 0;
    if (peer_ != nullptr) {
      peer_->in_flight_ -= count;
    }
    if (was_full) {  // else nobody waits for room there
      network_->send({.what = message::kind::room, .to = peer_}, *this);
    }
  }
  return static_cast<ssize_t>(count);
}

ssize_t simulated_socket::send(const std::byte* from, std::size_t size) {
  if (error_ != 0) {
    return -take_error();
  }
  if (is_shut_ || phase_ == phase::broken) {
    return -EPIPE;
  }
  if (phase_ != phase::connected) {
    return -ENOTCONN;
  }
  const std::size_t count = std::min(size, room());
  if (count == 0 && size != 0) {
    return -EAGAIN;
  }
  for (std::size_t sent = 0; sent < count;) {
    const std::size_t piece = std::min(count - sent, 1 + network_->draw(network_->how().largest_piece));
    message next{.what = message::kind::bytes, .to = peer_, .bytes = {from + sent, from + sent + piece}};
    if (network_->draws_loss()) {
      next.what = message::kind::loss;
    }
    network_->send(std::move(next), *this);
    in_flight_ += piece;
    sent += piece;
  }
  return static_cast<ssize_t>(count);
}

int simulated_socket::shut_down_write() {
  if (phase_ != phase::connected) {
    return -ENOTCONN;
  }
  if (!std::exchange(is_shut_, true)) {
    network_->send({.what = message::kind::end, .to = peer_}, *this);
  }
  return 0;
}

// As TCP: who has not read everything breaks the connection off.
void simulated_socket::close(message::kind tells) {
  const phase before = std::exchange(phase_, phase::closed);
  token_ = 0;
  if (before == phase::listening) {
    network_->leave_door(*this);
    for (const pointer& one : waiting_) {
      one->close(message::kind::reset);
    }
    waiting_.clear();
  }
  if (limit_ != wires::time_key{}) {
    network_->take_back(limit_);
  }
  held_.clear();
  if (peer_ == nullptr) {
    return;
  }
  if (!arrived_.empty()) {
    tells = message::kind::reset;
  }
  if (before != phase::broken && !(is_shut_ && tells == message::kind::end)) {
    network_->send({.what = tells, .to = peer_}, *this);
  }
  if (peer_->phase_ == phase::closed) {
    peer_->peer_ = nullptr;
    peer_ = nullptr;
  }
}

void simulated_socket::watch(std::uint64_t token) {
  if (std::exchange(token_, token) != token) {
    network_->put_now({.what = message::kind::look, .to = shared_from_this()});
  }
}

std::uint32_t simulated_socket::events() const noexcept {
  std::uint32_t what = 0;
  if (error_ != 0) {
    what |= EPOLLIN | EPOLLOUT | EPOLLERR;
  }
  if (phase_ == phase::broken) {
    what |= EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
  }
  if (!arrived_.empty() || !waiting_.empty()) {
    what |= EPOLLIN;
  }
  if (end_has_arrived_) {
    what |= EPOLLIN | EPOLLRDHUP;
  }
  if (is_shut_ || (phase_ == phase::connected && room() != 0)) {
    what |= EPOLLOUT;
  }
  return what;
}

// ---- what the network does

void simulated_socket::tell() {
  if (token_ != 0) {
    descriptor::on_events(token_, events());
  }
}

int simulated_socket::take_error() noexcept { return std::exchange(error_, 0); }

std::size_t simulated_socket::room() const noexcept {
  return network_->how().most_in_flight - std::min(network_->how().most_in_flight, in_flight_);
}

void simulated_socket::break_off(int error) {
  if (phase_ == phase::connected || phase_ == phase::connecting) {
    phase_ = phase::broken;
    error_ = error;
    tell();
  }
}

void simulated_socket::arrive(const message& what) {
  switch (what.what) {
    case message::kind::bytes:
    case message::kind::end: take_in(what); break;
    case message::kind::reset: break_off(end_has_arrived_ ? EPIPE : ECONNRESET); break;
    case message::kind::loss: {
      const pointer other = peer_;
      break_off(ECONNRESET);
      if (other != nullptr) {
        other->break_off(ECONNRESET);
      }
      break;
    }
    case message::kind::knock:
      if (phase_ == phase::connecting) {
        answer_knock();
      }
      break;
    case message::kind::welcome:
      if (phase_ == phase::connecting) {
        phase_ = phase::connected;
        tell();
      }
      break;
    case message::kind::refusal: give_up(ECONNREFUSED); break;
    case message::kind::timeout:
      limit_ = {};
      held_.clear();
      give_up(ETIMEDOUT);
      break;
    case message::kind::room:
    case message::kind::look: tell(); break;
  }
}

void simulated_socket::take_in(const message& what) {
  if (phase_ == phase::closed) {
    if (peer_ != nullptr && what.what == message::kind::bytes) {
      network_->send({.what = message::kind::reset, .to = peer_}, *this);
    }
  } else if (phase_ == phase::connected) {
    arrived_.insert(arrived_.end(), what.bytes.begin(), what.bytes.end());
    end_has_arrived_ = end_has_arrived_ || what.what == message::kind::end;
    tell();
  }
}

void simulated_socket::give_up(int error) {
  if (phase_ == phase::connecting) {
    phase_ = phase::fresh;
    error_ = error;
    tell();
  }
}

// Runs at the other side, in a way: the message is the one that knocks.
void simulated_socket::answer_knock() {
  simulated_socket* door = network_->find_door(remote);
  if (door == nullptr) {
    network_->send({.what = message::kind::refusal, .to = shared_from_this()}, *this);
    return;
  }
  if (door->waiting_.size() >= door->backlog_) {
    const base::instant again = base::now() + knocks_again_after;
    if (again < gives_up_at()) {
      network_->put({.what = message::kind::knock, .to = shared_from_this()}, again);
    } else {
      network_->put({.what = message::kind::timeout, .to = shared_from_this()}, gives_up_at());
    }
    return;
  }
  const auto there = std::make_shared<simulated_socket>(network_, remote.family());
  there->local = remote;
  there->remote = local;
  there->phase_ = phase::connected;
  there->peer_ = shared_from_this();
  peer_ = there;
  network_->send({.what = message::kind::welcome, .to = shared_from_this()}, *there);
  door->waiting_.push_back(there);
  door->tell();
}

base::instant simulated_socket::gives_up_at() const noexcept {
  return base::after(began_, network_->how().connect_limit);
}

void simulated_socket::hold(message&& what) {
  if (what.what == message::kind::knock) {
    limit_ = network_->put({.what = message::kind::timeout, .to = shared_from_this()}, gives_up_at());
  }
  held_.push_back(std::move(what));
}

std::deque<message> simulated_socket::take_held() noexcept {
  if (limit_ != wires::time_key{}) {
    network_->take_back(std::exchange(limit_, {}));
  }
  return std::exchange(held_, {});
}

}  // namespace martlet::detail
