#pragma once

#include <unistd.h>

#include <utility>

namespace martlet::loadtest {

/// Owns a file descriptor; -1 stands for none.
class descriptor {
 public:
  explicit descriptor(int number) noexcept : number_(number) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const noexcept { return number_; }

  /// Closes it now, which is when a full disk speaks up.
  ///
  /// Returns   false with errno set when that failed.
  bool close() noexcept { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

}  // namespace martlet::loadtest
