#pragma once

#include "fiber.hpp"
#include "layer.hpp"

#include <cstddef>
#include <memory>
#include <vector>

#include <martlet/base/current.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::python::stackless {

struct crew;
struct tasklet;

/// How the latest `run` with a time limit wants to be interrupted; the bits are Stackless's.
enum run_flag : unsigned {
  thread_blocks = 1,
  soft = 2,
  ignores_nesting = 4,
  total_timeout = 8,
};

/// What one OS thread has of martlet.stackless: the ring of its runnable tasklets, its main tasklet, its stacks.
///
/// The ring's first is the current tasklet, which runs; a tasklet that becomes runnable is inserted before it, behind
/// all others. The ring owns a reference to each.
///
/// A record stays as long as a tasklet refers to it; when its thread has ended it `is_over`, and its tasklets have no
/// thread any more.
struct thread {
  explicit thread(layer& home, PyThreadState* state) noexcept;
  thread(const thread&) = delete;
  thread& operator=(const thread&) = delete;

  /// Returns   the record of the calling thread, made if need be, with its main tasklet; null with an exception set.
  static thread* here(layer& home);

  /// Returns   the record of the calling thread, whose state is given; null when there is none.
  static thread* of(PyThreadState* state) noexcept;

  void insert(tasklet& one) noexcept;         // behind all others
  void insert_second(tasklet& one) noexcept;  // behind the current one
  void insert_before(tasklet& one, tasklet* other) noexcept;
  void remove(tasklet& one) noexcept;  // when it is the current one, the next one becomes it

  /// Has a tasklet in the chain, behind all others if it lay elsewhere: in a channel's queue, or nowhere. Under the lock.
  void make_runnable(tasklet& one) noexcept;

  /// Wakes the thread when it sleeps because nothing was runnable. Under the lock.
  void wake() noexcept;

  /// Returns   the tasklet that goes on when nobody else can, or when the time is over: that of the innermost `run`, that of
  ///           the `run` with a time limit, else the main tasklet. Borrowed.
  tasklet* watchdog(bool for_interrupt) const noexcept;

  /// Returns   the tasklet that calls, also while the thread waits and none is current.
  tasklet& running() const noexcept { return waiting != nullptr ? *waiting : *current; }

  bool has(run_flag flag) const noexcept { return (run_flags & flag) != 0; }

  void keep() noexcept;
  void let_go() noexcept;

  /// Takes a tasklet into the list of those that have a stack, or out of it. Under the lock.
  void link_started(tasklet& one) noexcept;
  void unlink_started(tasklet& one) noexcept;

  /// Kills the orphans. On the thread itself.
  void kill_orphans();

  /// Kills those that have a stack; who survives that ten times survives. On the thread itself.
  void kill_started();

  /// Gives back the stacks that are kept for tasklets to come. On the thread itself.
  void free_spares() noexcept;

  /// Ends what the thread has of the module, and the record, unless tasklets refer to it. On the thread itself.
  void end();

  layer& home;
  PyThreadState* state;
  const void* os_thread;  // base::this_thread()
  unsigned long id;
  thread* next = nullptr;  // of the layer's
  glimpse<bool> is_over = false;

  glimpse<tasklet*> current = nullptr;
  tasklet* main = nullptr;  // owned
  int runnable = 0;

  int switch_traps = 0;
  bool in_callback = false;
  unsigned char pickle_flags = 0;

  std::vector<tasklet*> runs;        // who is in `run`, the innermost last; owned
  tasklet* timed_run = nullptr;      // the one of them that has a time limit; borrowed
  unsigned run_flags = 0;            // of that
  bool keeps_order = false;          // the switch that is on shall not be used for a soft interrupt
  tasklet* interrupted = nullptr;    // owned
  bool is_timed = false;             // the watchdog counts for it (watchdog.hpp)
  long bytecodes_left = 0;           // until it interrupts
  Py_tracefunc traced_by = nullptr;  // the program's trace function, while the watchdog stands before it
  long interval = 0;                 // of the timed run, in bytecodes; 0 for none

  std::vector<object> orphans;  // tasklets of other threads that nobody has any more, to be killed (tasklet.cpp)
  object drop_later;            // what has to live until the switch is over
  glimpse<tasklet*> waiting = nullptr;  // who calls while nothing is runnable; borrowed
  fiber* target = nullptr;              // where the thread's own stack goes on to
  fiber own;                            // the thread's own stack
  fiber* spares = nullptr;
  std::size_t spare_count = 0;
  tasklet* started = nullptr;  // those with a stack, linked, but for the main tasklet
  tasklet* last_started = nullptr;

  detail::carrier carrier;
  base::futex_word bell{0};
  bool is_blocked = false;  // nothing is runnable here, and nobody has changed that
  bool is_idle = false;     // and the thread has not gone on yet

  std::shared_ptr<crew>
      mates;             // over which fresh tasklets are spread; null for none. Changed by the thread, under the lock
  unsigned turns = 0;    // how many switches there were since it has mates
  bool ran_dry = false;  // whoever is in `run` goes on because nothing else was runnable

 private:
  base::atomic<std::size_t> references_{1};
};

/// Keeps a record, or none.
class thread_reference {
 public:
  explicit thread_reference(thread* kept) noexcept : kept_(kept) {}
  thread_reference(thread_reference&& other) noexcept : kept_(std::exchange(other.kept_, nullptr)) {}
  thread_reference& operator=(thread_reference&&) = delete;
  ~thread_reference() {
    if (kept_ != nullptr) {
      kept_->let_go();
    }
  }

  explicit operator bool() const noexcept { return kept_ != nullptr; }
  thread& operator*() const noexcept { return *kept_; }
  thread* operator->() const noexcept { return kept_; }

 private:
  thread* kept_;
};

/// Returns   the record of the thread with an identifier, none when there is none.
thread_reference find_thread(layer& home, unsigned long id) noexcept;

/// Finds out whether another thread can still give this one something to do, and notes that this one is blocked if so.
///
/// Returns   false with an exception set.
bool others_can_run(thread& here, bool& answer);

}  // namespace martlet::python::stackless
