// A Boost.Asio io_context drives a scheduler: asio's handlers and tasklets take turns on one thread.
#include <chrono>
#include <cstdio>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <martlet/martlet.hpp>

using namespace std::chrono_literals;
namespace asio = boost::asio;

// Runs tasklets whenever they have something to do, for as long as the io_context runs.
class tasklets_in_asio {
 public:
  tasklets_in_asio(asio::io_context& loop, martlet::scheduler& pool) : guest_(pool), event_(loop, guest_.event_fd()) {
    wait();
  }
  tasklets_in_asio(const tasklets_in_asio&) = delete;
  tasklets_in_asio& operator=(const tasklets_in_asio&) = delete;
  ~tasklets_in_asio() { event_.release(); }  // the descriptor is the guest's, who closes it

  void stop() { event_.cancel(); }

 private:
  // Asio watches edge-triggered, but looks at the descriptor anew for each async_wait: so what is left over comes back.
  void wait() {
    event_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
      if (!error) {
        guest_.poll();
        wait();
      }
    });
  }

  martlet::guest guest_;
  asio::posix::stream_descriptor event_;
};

int main() {
  asio::io_context loop(1);
  martlet::scheduler pool({.workers = 0});
  martlet::channel<int> ticks(16);
  tasklets_in_asio tasklets(loop, pool);

  // Asio's timer sends into a channel: a handler must not wait, so it tries.
  asio::steady_timer timer(loop, 1ms);
  int sent = 0;
  auto on_time = [&](auto& self) -> void {
    timer.async_wait([&](const boost::system::error_code& error) {
      int tick = ++sent;
      if (error || ticks.try_send(tick) != martlet::try_status::done || sent == 10) {
        ticks.close();
        return;
      }
      timer.expires_after(1ms);
      self(self);
    });
  };
  on_time(on_time);

  // A tasklet receives, sleeps on its own timer, and hands its result to a handler.
  int total = 0;
  pool.spawn([](auto& in, auto& out, auto& io, auto& tasks) -> martlet::task<> {
    int sum = 0;
    for (;;) {
      const auto tick = co_await in.receive();
      if (!tick) {
        break;
      }
      co_await martlet::sleep_for(500us);
      sum += *tick;
    }
    asio::post(io, [sum, &out, &tasks] {
      out = sum;
      tasks.stop();  // nothing is left to wait for, so that the io_context ends
    });
  }(ticks, total, loop, tasklets));

  loop.run();
  std::printf("%d\n", total);
  return total == 55 ? 0 : 1;
}
