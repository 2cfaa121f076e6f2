#pragma once

#include <array>
#include <cstddef>

/// Finds an operating system's lock (std::mutex, std::shared_mutex) that a tasklet holds while it waits.
///
/// Its owner is a thread: the tasklet may go on, and unlock it, on another one, and until then every tasklet here that wants it
/// blocks the whole worker. In a build of martlet without NDEBUG and without sanitizers each wait looks, and stops the
/// program with the places of the lock and of the wait; the library then stands before the C library's lock functions,
/// and notes on workers which locks are held. Elsewhere nothing is noted.
namespace martlet::detail {

struct host;

/// The locks that the running tasklet holds; of a host.
class held_locks {
 public:
  struct entry {
    const void* lock;
    void* locked_at;  // a return address
  };

  void note(const void* lock, void* locked_at) noexcept {
    if (count_ < entries_.size()) {
      entries_[count_++] = {lock, locked_at};
    }
  }

  void forget(const void* lock) noexcept {
    for (std::size_t i = count_; i-- != 0;) {
      if (entries_[i].lock == lock) {
        entries_[i] = entries_[--count_];
        return;
      }
    }
  }

  bool empty() const noexcept { return count_ == 0; }
  const entry& newest() const noexcept { return entries_[count_ - 1]; }

 private:
  std::size_t count_ = 0;
  std::array<entry, 8> entries_{};  // what is held beyond is not noted
};

/// Stops the program when the tasklet that runs on `here` holds a lock.
void refuse_held_locks(const host& here) noexcept;

}  // namespace martlet::detail
