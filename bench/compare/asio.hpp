#pragma once

#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>

namespace asio = boost::asio;

/// What the programs for Boost.Asio share: coroutines on the context's own executor, which is not erased.
using executor_type = asio::io_context::executor_type;
template <class T = void>
using task = asio::awaitable<T, executor_type>;

/// Channels of numbers, without and with a lock.
using message = void(boost::system::error_code, long);
using for_one_thread = asio::experimental::channel<executor_type, message>;
using for_all = asio::experimental::concurrent_channel<executor_type, message>;

/// Runs what there is to run on so many threads, this one among them, until nothing is left.
inline void run(asio::io_context& context, int threads) {
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([&context] { context.run(); });
  }
  context.run();
}
