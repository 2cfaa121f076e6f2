// Waits for the first of several things, and for one thing with a time limit.
#include <chrono>
#include <string>

#include <martlet/martlet.hpp>

using namespace std::chrono_literals;

martlet::task<std::string> ask(martlet::channel<std::string>& near, martlet::channel<std::string>& far) {
  auto first = co_await martlet::select(near.receive(), far.receive(), martlet::sleep_for(1s));
  switch (first.index()) {
    case 0: co_return std::get<0>(first).value_or("near has closed");
    case 1: co_return std::get<1>(first).value_or("far has closed");
    default: co_return "nobody answered";
  }
}

martlet::task<bool> gives_up(martlet::channel<std::string>& silent) {
  try {
    co_await martlet::within(10ms, silent.receive());
  } catch (const martlet::deadline_passed&) {
    co_return true;  // nothing was received, nothing is lost
  }
  co_return false;
}

int main() {
  martlet::scheduler pool;
  martlet::channel<std::string> near;
  martlet::channel<std::string> far;
  auto answer = pool.spawn(ask(near, far));
  martlet::await(far.send("far was first"));  // a plain thread may use channels too
  const bool is_right = pool.block_on(std::move(answer)) == "far was first";
  return is_right && pool.block_on(gives_up(near)) ? 0 : 1;
}
