#pragma once

#include <chrono>
#include <thread>

#include <martlet/base/atomic.hpp>

namespace martlet::testing {

/// Where calls stay, as plain threads do, until the test lets them go on.
class gate {
 public:
  gate() = default;
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;
  ~gate() { open(); }

  void pass() {
    ++came_;
    while (!is_open_) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  void open() { is_open_ = true; }

  /// Returns   how many have come, gone or not.
  int came() const { return came_; }

 private:
  base::atomic<int> came_{0};
  base::atomic<bool> is_open_{false};
};

}  // namespace martlet::testing
