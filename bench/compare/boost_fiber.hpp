#pragma once

#include <barrier>
#include <thread>
#include <vector>

#include <boost/fiber/all.hpp>

/// Threads, the one that makes it among them, that take fibers from each other until it ends. When they `sleep` for want of
/// work, nobody wakes them to take some; else they spin.
class pool {
 public:
  explicit pool(int threads, bool sleep = false) : sleep_(sleep), installed_(threads) {
    for (int i = 1; i < threads; ++i) {
      others_.emplace_back([this, threads] {
        install(threads);
        ended_.wait();
      });
    }
    if (threads > 1) {
      install(threads);
    }
  }
  ~pool() { end_.set_value(); }
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

 private:
  void install(int threads) {
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(static_cast<unsigned>(threads), sleep_);
    installed_.arrive_and_wait();  // nobody takes from a thread that has none yet
  }

  bool sleep_;
  std::barrier<> installed_;
  boost::fibers::promise<void> end_;
  boost::fibers::shared_future<void> ended_ = end_.get_future().share();
  std::vector<std::jthread> others_;
};
