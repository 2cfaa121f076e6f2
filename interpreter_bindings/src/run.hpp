#pragma once

#include "family.hpp"
#include "thread_state.hpp"
#include "worker_watch.hpp"

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <martlet/base/fork.hpp>
#include <martlet/scheduler/guest.hpp>
#include <martlet/scheduler/simulation.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet::python {

/// What a worker's thread needs to run Python: a thread state, which is attached while Python tasklets run one after
/// the other and detached before anything else happens there.
struct attachment {
  run* of = nullptr;
  PyThreadState* state = nullptr;         // made when it is attached for the first time
  object blank;                           // a context without variables, for the coroutines that have none
  base::atomic<bool> is_attached{false};  // for the watch
};

/// What is known of a simulation that has ended.
struct trace {
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;
  std::chrono::nanoseconds elapsed{};
  schedule taken;
};

/// One call of `martlet.run`, or of a simulation's: a scheduler whose workers run the tasklets of one interpreter.
///
/// It ends when its main tasklet and then all others have ended; the end of the main one asks the others to stop.
class run : public std::enable_shared_from_this<run> {
 public:
  run(module_state& state, unsigned workers);
  run(module_state& state, simulation_options how);
  run(const run&) = delete;
  run& operator=(const run&) = delete;
  ~run();

  /// Runs `what` as the main tasklet, on this thread and on as many others as were asked for.
  ///
  /// Returns   what it returned, or null with an exception set.
  PyObject* execute(PyObject* what, PyObject* const* args, Py_ssize_t count);

  /// The same with a main tasklet of C++'s, in a program that embeds Python.
  ///
  /// Throws    what that threw, or what stopped the run.
  void execute(task<> main);

  /// Begins it without a main tasklet: the calling thread, which runs an event loop, polls `seat` whenever that says so.
  ///
  /// Returns   false with an exception set.
  bool begin_as_guest(std::unique_ptr<guest>& seat);

  /// Runs tasklets for a while on the thread that began it as a guest.
  ///
  /// Returns   false with what stopped the run set: KeyboardInterrupt, SystemExit.
  bool poll(guest& seat);

  /// Ends what began as a guest, once its tasklets have ended.
  ///
  /// Returns   false with Misuse set when they have not.
  bool end_as_guest(std::unique_ptr<guest>& seat);

  /// Returns   whether a tasklet that ran at a worker last, or was spawned there, is ready to run and does not.
  /// Threads   any.
  bool has_queued(const detail::host& there) noexcept;

  PyInterpreterState* interpreter() const noexcept { return interpreter_; }

  /// Attaches the calling worker's thread to the interpreter, if it is not attached already.
  attachment& attach(detail::host& here);

  /// The same for the tasklet of C++'s that runs there, until it waits or ends.
  void attach_for_cpp(detail::host& here);

  /// Counts a tasklet that is about to be entered; false when the run is over.
  bool admit() noexcept;

  /// Notes the main tasklet, which is counted already.
  void admit_main(tasklet_frame& main) noexcept { main_ = &main; }

  /// Counts a tasklet that has ended; the last one ends the run.
  void dismiss(detail::host& here) noexcept;

  void add_family(family& one);
  void remove_family(family& one) noexcept;

  /// Returns   the handles of all tasklets that have not ended.
  std::vector<object> tasklets();

  /// Asks every tasklet to stop; those that come later too.
  void stop_all();

  /// The same, and `execute` raises `reason`.
  void stop_because(PyObject* reason);

  module_state& state() const noexcept { return state_; }
  family& root() const noexcept { return *root_; }
  detail::run_queue* queue() const noexcept { return pool_->queue(); }
  tasklet_frame* main() const noexcept { return main_; }
  bool is_simulated() const noexcept { return how_.has_value(); }

  /// Returns   what the simulation did, once `execute` has returned.
  const trace& taken() const noexcept { return trace_; }

  /// Returns   whether the calling thread drives it as a guest.
  bool is_guest_here() const noexcept { return is_guest_ && lent_thread_ == std::this_thread::get_id(); }

  /// Returns   whether the calling thread is lent to it, and inside at the moment.
  bool has_caller_inside() const noexcept { return lent_thread_ == std::this_thread::get_id() && is_lent_inside_; }

  /// Returns   false in a child of fork: nobody runs its tasklets there.
  bool is_here() const noexcept { return process_ == base::process_generation(); }

  /// Makes it one of many: the first error that nobody joins is kept, and none is reported. Before `execute`.
  void explore() noexcept { is_explored_ = true; }
  bool is_explored() const noexcept { return is_explored_; }
  void add_unjoined(PyObject* error);
  object take_unjoined() noexcept { return std::move(unjoined_); }

  /// Makes `check`, a frame that is pinned, run on the worker of the thread that called `run`.
  ///
  /// Returns   false when that worker is not in its loop yet, true also when it has left it.
  /// Threads   any.
  bool send_to_lent_worker(detail::tasklet& check) noexcept;

 private:
  class closer;
  class cpp_main;

  void let_worker_go() noexcept;
  void create_pool();
  martlet::handle<void> begin();
  void abandon();
  bool raise_reason();
  void enter_lent() noexcept;
  void leave_lent() noexcept;
  void run_to_the_end(martlet::handle<void> end);
  void end_pool();
  task<> as_main(task<> main);
  tasklet_label label_of(detail::tasklet& record);
  PyObject* result_of_main();

  module_state& state_;
  PyInterpreterState* const interpreter_;
  const unsigned workers_;
  const std::uint32_t process_ = base::process_generation();
  std::optional<simulation_options> how_;
  std::unique_ptr<worker_watch> watch_;  // null when nobody watches
  std::shared_ptr<scheduler> pool_;      // shared only to know which destructor
  simulation* simulated_ = nullptr;      // the same, when it is one
  trace trace_;
  bool is_explored_ = false;
  object unjoined_;
  family* root_;
  closer* closer_ = nullptr;  // a tasklet that never runs and ends with the run
  tasklet_frame* main_ = nullptr;
  object main_handle_;
  const std::thread::id lent_thread_ = std::this_thread::get_id();
  attachment lent_{.of = this, .state = nullptr, .blank = {}};
  bool is_lent_inside_ = false;  // that thread's own
  bool is_guest_ = false;
  base::atomic<std::size_t> live_{1};  // tasklets that have not ended, the main one included from the beginning

  base::spin_lock end_lock_;
  bool is_over_ = false;  // under its lock: the lent worker may leave

  base::spin_lock lock_;
  bool stopping_ = false;  // under the lock, as all below
  std::vector<family*> families_;
  detail::tasklet* cpp_main_ = nullptr;  // while it runs
  object reason_;
};

/// What a spawn may say beside what it starts.
struct spawn_options {
  PyObject* name = nullptr;
  bool is_pinned = false;    // a coroutine stays on the thread that begins it, as a function does anyway
  bool is_isolated = false;  // it runs in another interpreter
  site where = {};           // in C++
};

/// Makes `what` a tasklet of `all` in `owner`, and enters it.
///
/// Takes     a coroutine, a coroutine function or a plain function with its arguments; the scope may be null.
/// Returns   a new reference to its handle, null with an exception set.
PyObject* spawn_in(run& all, family& owner, PyObject* scope, PyObject* what, PyObject* const* args, Py_ssize_t count,
                   spawn_options how, bool is_main = false);

/// Refuses to run tasklets on a thread that runs some already, or an event loop.
///
/// Takes     the name of the call.
/// Returns   false with an exception set.
bool may_run_here(module_state& state, const char* call);

/// Enters a run among those that are under way, and takes it out again.
///
/// Takes     the name of the call.
/// Returns   false with Misuse set when a simulation is in the way.
bool begin_run(module_state& state, const std::shared_ptr<run>& one, const char* call);
void end_run(module_state& state, const std::shared_ptr<run>& one);

/// Reads how many workers a run has: of None (or null) as many as are usual.
///
/// Returns   0 with an exception set.
unsigned read_workers(PyObject* given);

/// Runs `what` as the main tasklet of `all`, unless something else is in the way.
///
/// Takes     the name of the call.
/// Returns   what it returned, null with an exception set.
PyObject* run_main(const std::shared_ptr<run>& all, PyObject* what, PyObject* const* args, Py_ssize_t count,
                   const char* call);

/// Refuses a wait of a tasklet whose run is the parent's of this process.
///
/// Returns   true with Misuse set.
bool refuse_child_of_fork(const tasklet_frame& who, const char* call);

/// Finds the run that a spawn on this thread goes to; null with an exception set when there is none.
std::shared_ptr<run> run_for_spawn(module_state& state);

/// Splits `spawn(what, *args, name=None, pin=False, isolated=False)`.
///
/// Returns   false with an exception set.
bool read_spawn(Py_ssize_t count, PyObject* const* given, PyObject* keywords, spawn_options& how);

}  // namespace martlet::python
