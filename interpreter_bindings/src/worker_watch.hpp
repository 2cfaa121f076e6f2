#pragma once

#include <cstdint>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::python {

struct attachment;
class run;

/// Notices when a tasklet blocks the thread of its worker, in a `time.sleep` or in a driver's C code, while others are ready
/// to run there; `martlet._blocked` then warns, once for each line.
///
/// A thread of its own looks at the workers that are attached to the interpreter, every 50 ms. One that has used no processor
/// since the last look, and sleeps in the kernel, blocks; what computes uses some, and so does who waits for the global
/// lock. When nobody is attached for long it rests, until a worker tells it of being attached again.
///
/// Memory orders: [watch.rest] a worker says that it is attached, then looks whether the watch rests; the watch says that it rests,
/// then looks whether anybody is attached. argued: all four are seq_cst, so one of the two sees the other.
class worker_watch {
 public:
  /// Throws std::system_error.
  explicit worker_watch(run& of);
  worker_watch(const worker_watch&) = delete;
  worker_watch& operator=(const worker_watch&) = delete;

  /// Threads   one that is detached from the interpreter: its own may be about to attach itself.
  ~worker_watch();

  /// Returns   whether MARTLET_WATCH in the environment leaves it on. Throws misuse when that is neither "off" nothing.
  static bool is_wanted();

  /// Takes in the worker of the calling thread.
  void add(attachment& of, detail::host& worker);

  /// Lets it go, before its thread or its host does.
  void remove(const attachment& of) noexcept;

  /// Says that a worker has attached itself.
  void attached(attachment& of) noexcept;

 private:
  enum : std::uint32_t { looking, resting, over };

  struct seat {
    attachment* of;
    detail::host* worker;
    int thread;           // as the kernel knows it
    clockid_t clock;      // of the processor time that it uses
    unsigned long ident;  // as Python knows it
    std::uint64_t turns = 0;
    base::instant used = -1;    // of processor time, at the last look
    unsigned looks = 0;         // since it has used some
    bool kept_waiting = false;  // others, when that was asked last
    bool is_settled = false;    // it has been told of
  };

  void watch();
  bool look();
  bool blocks_others(seat& one);
  void tell(const seat& late);
  const detail::tasklet* inside(const seat& late);

  run& of_;
  std::mutex lock_;
  std::vector<seat> seats_;  // under the lock
  base::futex_word state_{looking};
  std::thread thread_;  // the last: it begins when all else is there
};

}  // namespace martlet::python
