#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

#include "thrown_by.hpp"

/// What tests of sockets say again and again.
namespace martlet::testing {

inline std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string text_of(std::span<const std::byte> some) {
  return {reinterpret_cast<const char*>(some.data()), some.size()};
}

/// Returns   two streams that are connected to each other, neither of which has waited yet but the first for its start.
inline std::pair<net::stream, net::stream> connected() {
  net::listener door(net::endpoint::localhost(0));
  net::stream one = await(net::connect(door.local_endpoint()));
  net::stream other = await(door.accept());
  return {std::move(one), std::move(other)};
}

/// Reads until there are `count` bytes or the end.
inline task<std::string> read_text(net::stream& from, std::size_t count) {
  std::string text(count, '\0');
  std::size_t have = 0;
  while (have < count) {
    const std::size_t more = co_await from.read_some(std::as_writable_bytes(std::span(text).subspan(have)));
    if (more == 0) {
      break;
    }
    have += more;
  }
  text.resize(have);
  co_return text;
}

/// Makes the kernel keep little of what is sent, so that a writer soon has to wait.
inline void keep_little(net::stream& a, net::stream& b) {
  const int size = 16 * 1024;
  ::setsockopt(a.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  ::setsockopt(b.native_handle(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/// Makes a closed stream end with a reset instead of an orderly end.
inline void reset_on_close(net::stream& of) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(of.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace martlet::testing
