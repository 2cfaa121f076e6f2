#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <martlet/net/simulated_network.hpp>

#include "wire.hpp"

/// A server that sends back what it gets, and clients that ask it, on whatever network there is.
namespace martlet::testing {

using namespace std::chrono_literals;
using net::connect;
using net::endpoint;
using net::listener;
using net::simulated_network;
using net::simulated_network_options;
using net::stream;

using nanoseconds = std::chrono::nanoseconds;

inline const endpoint there = endpoint::localhost(7);

/// One latency for everything.
constexpr simulated_network_options always(nanoseconds latency) {
  return {.least_latency = latency, .most_latency = latency};
}

inline nanoseconds elapsed() { return nanoseconds(martlet::base::now()); }

// Ends like the other side: in peace, or broken off.
inline task<> echo(stream peer) {
  std::array<std::byte, 256> buffer;
  try {
    while (const std::size_t count = co_await peer.read_some(buffer)) {
      co_await peer.write_all(std::span(buffer).first(count));
    }
  } catch (const std::system_error&) {}
}

inline task<> serve(endpoint at, std::function<task<>(stream)> conversation = echo) {
  listener door(at);
  for (;;) {
    stream peer = co_await door.accept();
    // With a copy of what is called, which may live for longer than this.
    martlet::spawn([conversation, own = std::move(peer)]() mutable { return conversation(std::move(own)); });
  }
}

inline task<std::string> ask(stream& server, std::string_view question) {
  co_await server.write_all(bytes(question));
  co_return co_await read_text(server, question.size());
}

// For who comes before the server listens.
inline task<stream> reach(endpoint to) {
  for (;;) {
    try {
      co_return co_await connect(to);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::connection_refused) {
        throw;
      }
    }
    co_await martlet::sleep_for(1ms);
  }
}

inline task<std::error_code> code_of(auto operation) {
  try {
    static_cast<void>(co_await std::move(operation));
  } catch (const std::system_error& e) {
    co_return e.code();
  }
  co_return std::error_code();
}

}  // namespace martlet::testing
