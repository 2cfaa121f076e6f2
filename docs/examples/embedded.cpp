// A program that owns its threads: work from outside, and a thread that lends itself.
#include <thread>

#include <martlet/martlet.hpp>

martlet::task<long> add_up(martlet::channel<long>& jobs) {
  long total = 0;
  while (auto job = co_await jobs.receive()) {
    total += *job;
  }
  co_return total;
}

int main() {
  martlet::scheduler pool(martlet::scheduler_options{.workers = 1});
  martlet::channel<long> jobs(64);

  std::thread producer([&] {  // knows nothing of tasklets
    for (long i = 1; i <= 1000; ++i) {
      martlet::await(jobs.send(i));  // blocks this thread while the channel is full
    }
    jobs.close();
  });
  const long total = pool.run_here(add_up(jobs));  // runs tasklets here until this one has ended
  producer.join();
  return total == 500500 ? 0 : 1;
}
