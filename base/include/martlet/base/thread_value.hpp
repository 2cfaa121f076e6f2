#pragma once

#include <pthread.h>

namespace martlet::base {

/// Holds one pointer for each thread, null at first.
///
/// For what belongs to a thread that is no worker and never changes hands: a tasklet of the scheduler, which may go on on
/// another thread after each wait, has `base::current`. A library that is loaded at run time cannot count on room for a
/// thread_local of its own that is as fast.
///
/// Cost      `get` some 2 ns.
class thread_value {
 public:
  /// Throws nothing; without a key left (a process has 1,024) `is_there` is false.
  thread_value() noexcept : is_there_(pthread_key_create(&key_, nullptr) == 0) {}
  thread_value(const thread_value&) = delete;
  thread_value& operator=(const thread_value&) = delete;

  bool is_there() const noexcept { return is_there_; }
  void* get() const noexcept { return pthread_getspecific(key_); }

  /// Returns   false when there is no memory.
  bool set(void* value) const noexcept { return pthread_setspecific(key_, value) == 0; }

 private:
  pthread_key_t key_{};
  bool is_there_;
};

}  // namespace martlet::base
