// Who catches `cancelled`, and what clean-up can wait for.
#include <exception>
#include <stdexcept>
#include <string>

#include <martlet/martlet.hpp>

#include "holds.hpp"

using namespace std::chrono_literals;

namespace broken {

// [broken]
martlet::task<int> fetch(martlet::channel<int>& replies) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    try {
      co_return *co_await replies.receive();
    } catch (const std::exception&) {  // `cancelled` too: each further attempt throws it at once
    }
  }
  co_return -1;  // not true: nothing was wrong with the replies
}
// [end]

// [broken-cleanup]
martlet::task<> serve(martlet::channel<int>& requests, martlet::channel<std::string>& peer) {
  std::exception_ptr failure;
  try {
    while (auto one = co_await requests.receive()) {}
  } catch (...) {
    failure = std::current_exception();
  }
  co_await peer.send("goodbye");  // throws `cancelled` again when that was the failure: nothing is sent
  if (failure != nullptr) {
    std::rethrow_exception(failure);
  }
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<int> fetch(martlet::channel<int>& replies) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    try {
      co_return *co_await replies.receive();
    } catch (const martlet::cancelled&) {
      throw;  // asked to stop: that is no failed attempt
    } catch (const std::exception&) {}
  }
  co_return -1;
}
// [end]

// [fixed-cleanup]
martlet::task<> serve(martlet::channel<int>& requests, martlet::channel<std::string>& peer) {
  std::exception_ptr failure;
  try {
    while (auto one = co_await requests.receive()) {}
  } catch (...) {
    failure = std::current_exception();
  }
  {
    martlet::shield undisturbed;
    try {
      co_await martlet::within(1s, peer.send("goodbye"));  // nobody can stop it: so a limit
    } catch (const martlet::deadline_passed&) {}
  }
  if (failure != nullptr) {
    std::rethrow_exception(failure);
  }
}
// [end]

}  // namespace fixed

// Cancels a task that waits; returns whether it ended with `cancelled`.
template <class T>
bool stops(martlet::scheduler& pool, martlet::task<T> body) {
  auto waiting = pool.spawn(std::move(body));
  while (waiting.state() != martlet::status::blocked) {}
  waiting.cancel();
  try {
    pool.block_on(std::move(waiting));
    return false;
  } catch (const martlet::cancelled&) {
    return true;
  }
}

int main() {
  martlet::channel<int> quiet;
  martlet::channel<std::string> peer(8);
  martlet::scheduler pool(1);
  bool good = holds(!stops(pool, broken::fetch(quiet)), "who catches everything says something untrue");
  good &= holds(stops(pool, fixed::fetch(quiet)), "who lets `cancelled` pass has stopped");
  good &=
      holds(stops(pool, broken::serve(quiet, peer)) && peer.balance() == 0, "a cancelled tasklet cannot say goodbye");
  good &= holds(stops(pool, fixed::serve(quiet, peer)) && peer.balance() == 1, "behind a shield it can");
  return good ? 0 : 1;
}
