#include "wires.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <iterator>
#include <mutex>

#include <netinet/in.h>

#include <martlet/base/current.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/base/spin_lock.hpp>

#include "simulated_socket.hpp"

namespace martlet::detail {
namespace {

// Of the process: a thread has one at most.
constinit base::spin_lock listing;
constinit wires* newest = nullptr;

// The parent's simulations stay there, and so do their networks: a child has the system's.
constinit base::fork_hook wires_hook{.order = 45,
                                     .before = []() noexcept { listing.lock(); },
                                     .in_parent = []() noexcept { listing.unlock(); },
                                     .in_child =
                                         []() noexcept {
                                           newest = nullptr;
                                           listing.unlock();
                                         }};

net::endpoint with_port(const net::endpoint& one, std::uint16_t port) noexcept {
  sockaddr_storage address{};
  std::memcpy(&address, one.data(), one.size());
  if (one.family() == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  }
  return net::endpoint::from(reinterpret_cast<const sockaddr*>(&address), one.size());
}

bool is_any(const net::endpoint& one) noexcept {
  return one.family() != AF_UNIX && with_port(one, 0) == nameless(one.family());
}

// Says whether `one` is among what `pattern` stands for.
bool is_within(const net::endpoint& one, const net::endpoint& pattern) noexcept {
  if (one.family() != pattern.family() || one.family() == AF_UNIX) {
    return one == pattern;
  }
  return (pattern.port() == 0 || pattern.port() == one.port()) &&
         (is_any(pattern) || with_port(one, 0) == with_port(pattern, 0));
}

bool is_end_of(const net::endpoint& pattern, const simulated_socket& one) noexcept {
  return is_within(one.local, pattern) || is_within(one.remote, pattern);
}

bool needs_a_way(const message& one) noexcept {
  return one.what != message::kind::look && one.what != message::kind::timeout;
}

}  // namespace

net::endpoint nameless(int family) noexcept {
  sockaddr_storage none{};
  none.ss_family = static_cast<sa_family_t>(family);
  const std::size_t size = family == AF_INET    ? sizeof(sockaddr_in)
                           : family == AF_INET6 ? sizeof(sockaddr_in6)
                                                : sizeof(sa_family_t);
  return net::endpoint::from(reinterpret_cast<const sockaddr*>(&none), static_cast<socklen_t>(size));
}

net::endpoint as_destination(const net::endpoint& one) noexcept {
  if (!is_any(one)) {
    return one;
  }
  if (one.family() == AF_INET) {
    return net::endpoint::localhost(one.port());
  }
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  loopback.sin6_port = htons(one.port());
  return net::endpoint::from(reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback);
}

// ---- beginning and end

wires::wires(const net::simulated_network_options& how, std::uint64_t seed)
    : how_(how), thread_(base::this_thread()), random_(seed) {}

std::shared_ptr<wires> wires::of_this_thread() {
  const std::lock_guard guard(listing);
  for (wires* one = newest; one != nullptr; one = one->older_) {
    if (one->thread_ == base::this_thread()) {
      return one->shared_from_this();
    }
  }
  return nullptr;
}

void wires::open() noexcept {
  base::register_fork_hook(wires_hook);
  const std::lock_guard guard(listing);
  older_ = std::exchange(newest, this);
}

void wires::close() noexcept {
  {
    const std::lock_guard guard(listing);
    wires** place = &newest;
    while (*place != nullptr && *place != this) {
      place = &(*place)->older_;
    }
    if (*place != nullptr) {  // else it was the parent's
      *place = older_;
    }
  }
  is_closed_ = true;
  on_the_way_.clear();
}

std::uint64_t wires::add(simulated_socket& one) {
  sockets_.emplace(++last_id_, &one);
  return last_id_;
}

// ---- sending

base::instant wires::latency() noexcept {
  const auto spread = static_cast<std::uint64_t>((how_.most_latency - how_.least_latency).count());
  return how_.least_latency.count() + static_cast<base::instant>(draw(spread + 1));
}

std::uint64_t wires::rate_of(const simulated_socket& one) const noexcept {
  for (const auto& [at, rate] : rates_) {
    if (is_end_of(at, one)) {
      return rate;
    }
  }
  return how_.bytes_per_second;
}

void wires::send(message&& what, simulated_socket& from) {
  constexpr double second = 1e9;
  from.line_free = std::max(from.line_free, base::now());
  if (const std::uint64_t rate = rate_of(from); rate != 0) {
    const double takes = static_cast<double>(what.bytes.size()) * second / static_cast<double>(rate);
    from.line_free = base::after(from.line_free, std::chrono::nanoseconds(std::llround(takes)));
  }
  simulated_socket& to = *what.to;
  to.last_arrival = std::max(to.last_arrival, from.line_free + latency());
  put(std::move(what), to.last_arrival);
}

wires::time_key wires::put(message&& what, base::instant at) {
  const time_key key{at, ++sent_};
  if (!is_closed_) {
    on_the_way_.emplace(key, std::move(what));
  }
  return key;
}

wires::time_key wires::put_now(message&& what) { return put(std::move(what), base::now()); }

void wires::move_on() {
  while (!on_the_way_.empty() && next() <= base::now()) {
    message first = std::move(on_the_way_.extract(on_the_way_.begin()).mapped());
    simulated_socket& to = *first.to;
    if (needs_a_way(first) && (is_cut(to) || to.holds_something())) {
      to.hold(std::move(first));
    } else {
      to.arrive(first);
    }
  }
}

// ---- doors and ports

simulated_socket* wires::find_door(const net::endpoint& at) {
  std::vector<simulated_socket*> fitting;
  std::copy_if(doors_.begin(), doors_.end(), std::back_inserter(fitting),
               [&](const simulated_socket* door) { return is_within(at, door->local); });
  return fitting.empty() ? nullptr : fitting[fitting.size() == 1 ? 0 : draw(fitting.size())];
}

bool wires::is_taken(const net::endpoint& at, bool share_port) const noexcept {
  return std::any_of(doors_.begin(), doors_.end(), [&](const simulated_socket* door) {
    return (is_within(at, door->local) || is_within(door->local, at)) && !(share_port && door->shares_port);
  });
}

net::endpoint wires::with_new_port(const net::endpoint& at) noexcept {
  net::endpoint result = at;
  do {
    result = with_port(at, next_port_);
    next_port_ = next_port_ == UINT16_MAX ? first_port : static_cast<std::uint16_t>(next_port_ + 1);
  } while (is_taken(result, false));
  return result;
}

// ---- troubles

bool wires::is_cut(const simulated_socket& one) const noexcept {
  return std::any_of(cut_.begin(), cut_.end(), [&](const net::endpoint& at) { return is_end_of(at, one); });
}

void wires::partition(const net::endpoint& at) {
  if (std::find(cut_.begin(), cut_.end(), at) == cut_.end()) {
    cut_.push_back(at);
  }
}

// What was held comes first, and then what is on its way, which would overtake it.
void wires::heal(const net::endpoint& at) {
  std::erase(cut_, at);
  for (const auto& [id, one] : sockets_) {
    if (!one->holds_something() || is_cut(*one)) {
      continue;
    }
    std::deque<message> all = one->take_held();
    for (auto next = on_the_way_.begin(); next != on_the_way_.end();) {
      if (next->second.to.get() == one && needs_a_way(next->second)) {
        all.push_back(std::move(next->second));
        next = on_the_way_.erase(next);
      } else {
        ++next;
      }
    }
    for (message& each : all) {
      one->last_arrival = std::max(one->last_arrival, base::now() + latency());
      put(std::move(each), one->last_arrival);
    }
  }
}

void wires::lose_connections(const net::endpoint& at) {
  for (const auto& [id, one] : sockets_) {
    if (is_end_of(at, *one)) {
      one->break_off(ECONNRESET);
    }
  }
}

void wires::set_rate(const net::endpoint& at, std::uint64_t bytes_per_second) {
  std::erase_if(rates_, [&](const auto& known) { return known.first == at; });
  rates_.insert(rates_.begin(), {at, bytes_per_second});  // the newest that fits is what counts
}

}  // namespace martlet::detail
