#pragma once

#include <martlet/base/fork.hpp>
#include <martlet/base/futex.hpp>

namespace martlet::base {

/// Takes the place of the clock and of sleeping on one thread: the one that makes it, for as long as it lives.
///
/// `base::now` asks it there, and `base::futex_wait` lets it decide what happens until the word changes or the time has
/// come. Other threads do not notice, nor does a child of fork: its time is the system's.
///
/// Threads   made, asked and destroyed on one thread, which has no second one meanwhile.
/// Cost      while none lives in the process, a load of `now` and `futex_wait`.
class virtual_time {
 public:
  virtual_time(const virtual_time&) = delete;
  virtual_time& operator=(const virtual_time&) = delete;

  virtual instant now() const noexcept = 0;

  /// As `futex_wait`.
  ///
  /// Returns   false when the deadline passed, or when nothing will ever change the word.
  virtual bool sleep(const futex_word& word, std::uint32_t expected, instant deadline) noexcept = 0;

  /// Throws what tells that nothing will ever change what this thread has just slept for.
  [[noreturn]] virtual void refuse_endless_sleep() = 0;

  /// Returns   the calling thread's; null where time is the system's.
  static virtual_time* here() noexcept { return count_.load(relaxed) == 0 ? nullptr : find(); }

 protected:
  virtual_time() noexcept;
  ~virtual_time();

 private:
  static virtual_time* find() noexcept;

  static atomic<unsigned> count_;  // a thread's own is counted before the thread can ask
  static fork_hook hook_;

  virtual_time* next_ = nullptr;
  const void* const thread_;
};

}  // namespace martlet::base
