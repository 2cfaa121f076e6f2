#include "run.hpp"

#include <algorithm>
#include <exception>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/task.hpp>

#include "coroutine_tasklet.hpp"
#include "function_tasklet.hpp"
#include "handle.hpp"
#include "signals.hpp"

namespace martlet::python {
namespace {

// The end of the last tasklet is told to nobody else.
class nobody final : public detail::scope_base {
  std::uintptr_t child_began(detail::tasklet&) noexcept override { return 0; }
  void child_failed(std::exception_ptr, bool, site) noexcept override {}
  void child_ended(detail::host&, std::uintptr_t) noexcept override {}
};

constinit nobody owner_of_closers;

void detach(detail::host& here) {
  static_cast<attachment*>(here.attachment_)->is_attached.store(false, base::relaxed);  // the watch looks again
  PyEval_SaveThread();
  here.detach_ = nullptr;
}

// A fiber of C++'s that was attached has left its stack.
void return_from_fiber(detail::host& here) {
  if (PyEval_GetFrame() != nullptr) {
    base::fatal(
        "a fiber waited inside of C++ code that was called by Python code that the fiber had called: what runs next on "
        "this worker cannot have the interpreter then; let a Python tasklet wait, or wait outside of the call");
  }
  use_c_stack(static_cast<attachment*>(here.attachment_)->state, {});
  here.detach_ = &detach;
}

void detach_fiber(detail::host& here) {
  return_from_fiber(here);
  detach(here);
}

std::string text_of(PyObject* str) {
  const char* text = str == nullptr ? nullptr : PyUnicode_AsUTF8(str);
  return text == nullptr ? "?" : text;
}

// Returns   "function at file:line", null with an exception set.
PyObject* place_of(PyObject* frame) {
  auto* at = reinterpret_cast<PyFrameObject*>(frame);
  const object code = object::take(reinterpret_cast<PyObject*>(PyFrame_GetCode(at)));
  const auto* names = reinterpret_cast<PyCodeObject*>(code.get());
  return PyUnicode_FromFormat("%U at %U:%d", names->co_name, names->co_filename, PyFrame_GetLineNumber(at));
}

}  // namespace

// What `run_here` waits for.
class run::closer {
 public:
  closer() noexcept : result_(detail::kind::thread) {
    result_.begin_as_root({});
    result_.host_.store(nullptr, base::relaxed);  // of no scheduler until it ends
    result_.word_.store(detail::tasklet::bits(detail::tag::runnable), base::relaxed);
    result_.link_ = reinterpret_cast<std::uintptr_t>(static_cast<detail::scope_base*>(&owner_of_closers));
  }

  detail::outcome<void>& result() noexcept { return result_; }

  void end(detail::host& here) noexcept {
    result_.host_.store(&here, base::relaxed);
    detail::finish_root(&result_, nullptr);
  }

  // Nobody waits for it.
  void give_up() noexcept { result_.word_.store(detail::tasklet::bits(detail::tag::done), base::relaxed); }

 private:
  static void destroy(void* frame) { free_frame(static_cast<closer*>(frame)); }

  [[maybe_unused]] void (*resume_)(void*) = nullptr;
  [[maybe_unused]] void (*destroy_)(void*) = &closer::destroy;
  detail::outcome<void> result_;
};

run::run(module_state& state, unsigned workers)
    : state_(state), interpreter_(PyInterpreterState_Get()), workers_(workers), root_(family::make()) {
  families_.push_back(root_);
}

run::run(module_state& state, simulation_options how) : run(state, 1) {
  how_ = std::move(how);
  how_->label = [this](detail::tasklet& record) { return label_of(record); };
}

run::~run() { family::free(root_); }

attachment& run::attach(detail::host& here) {
  auto* mine = static_cast<attachment*>(here.attachment_);
  if (here.detach_ == &detach) [[likely]] {
    return *mine;
  }
  if (here.detach_ != nullptr) {
    return_from_fiber(here);
    return *mine;
  }
  const bool is_first = mine == nullptr || mine->state == nullptr;
  if (mine == nullptr) {  // the lent thread; the others have theirs from the beginning
    mine = &lent_;
    here.attachment_ = mine;
  } else if (is_first) {
    mine->state = PyThreadState_New(interpreter_);
  }
  PyEval_RestoreThread(mine->state);
  here.detach_ = &detach;
  if (watch_ != nullptr) {
    if (is_first) {
      watch_->add(*mine, here);
    }
    watch_->attached(*mine);
  }
  return *mine;
}

void run::attach_for_cpp(detail::host& here) {
  if (here.fiber_ == nullptr) {
    attach(here);
    return;
  }
  if (here.detach_ != &detach_fiber) {
    use_c_stack(attach(here).state, here.fiber_->memory);
    here.detach_ = &detach_fiber;
  }
}

// A worker's thread ends: its thread state with it.
void run::let_worker_go() noexcept {
  detail::host& here = *detail::current_host();
  const std::unique_ptr<attachment> mine(static_cast<attachment*>(here.attachment_));
  if (mine->state != nullptr) {
    attach(here);
    if (watch_ != nullptr) {
      watch_->remove(*mine);
    }
    mine->blank = {};
    PyThreadState_Clear(mine->state);
    PyThreadState_DeleteCurrent();
    here.detach_ = nullptr;
  }
  here.attachment_ = nullptr;
}

bool run::admit() noexcept {
  std::size_t live = live_.load(base::relaxed);
  while (live != 0) {
    if (live_.compare_exchange_weak(live, live + 1, base::acq_rel)) {  // [run.end]
      return true;
    }
  }
  return false;
}

void run::dismiss(detail::host& here) noexcept {
  if (live_.fetch_sub(1, base::acq_rel) == 1) {  // [run.end] argued: whoever counts to zero sees all that others did
    {
      const std::lock_guard guard(end_lock_);
      is_over_ = true;
    }
    closer_->end(here);
  }
}

void run::add_family(family& one) {
  bool stopping = false;
  {
    const std::lock_guard guard(lock_);
    families_.push_back(&one);
    stopping = stopping_;
  }
  if (stopping) {
    one.stop_all(nullptr);
  }
}

void run::remove_family(family& one) noexcept {
  const std::lock_guard guard(lock_);
  families_.erase(std::find(families_.begin(), families_.end(), &one));
}

bool run::has_queued(const detail::host& there) noexcept {
  const std::lock_guard guard(lock_);  // keeps the families
  return std::any_of(families_.begin(), families_.end(), [&](family* one) { return one->has_queued(there); });
}

std::vector<object> run::tasklets() {
  std::vector<object> found;
  const std::lock_guard guard(lock_);  // keeps the families
  for (family* one : families_) {
    one->collect(found, nullptr);
  }
  return found;
}

// Children of scopes are stopped by their scopes, whose tasklets are stopped here; but a scope may also belong to a
// thread that is no worker.
void run::stop_all() {
  const tasklet_frame* self = current_tasklet();
  std::vector<object> found;
  detail::tasklet* other = nullptr;
  {
    const std::lock_guard guard(lock_);  // keeps the families
    stopping_ = true;
    for (family* one : families_) {
      one->begin_stop(found, self);
    }
    other = cpp_main_;
  }
  family::ask_all(found);
  if (other != nullptr) {  // its frame stays until the run is over, and that waits for who calls this
    detail::request_cancel(other);
  }
}

void run::stop_because(PyObject* reason) {
  object kept = object::share(reason);
  {
    const std::lock_guard guard(lock_);
    if (!reason_) {
      reason_.swap(kept);
    }
  }
  stop_all();
}

void run::add_unjoined(PyObject* error) {
  if (!unjoined_) {
    unjoined_ = object::share(error);
  }
}

bool run::send_to_lent_worker(detail::tasklet& check) noexcept {
  const std::lock_guard guard(end_lock_);
  if (is_over_) {
    return true;
  }
  // The lent worker waits for our closer: there the core wrote down where it runs. Until `is_over_` it stays there.
  detail::tasklet& record = closer_->result();
  detail::host* lent = nullptr;
  {
    const std::lock_guard inner(record.lock_);
    if (const auto* node = static_cast<detail::wait_node*>(record.joiner_); node != nullptr) {
      lent = node->owner->at();
    }
  }
  if (lent == nullptr) {
    return false;
  }
  check.host_.store(lent, base::relaxed);
  detail::ready(&check, nullptr);
  return true;
}

void run::create_pool() {
  if (how_) {
    auto pool = std::make_shared<simulation>(*how_);
    simulated_ = pool.get();
    pool_ = std::move(pool);
    return;
  }
  if (worker_watch::is_wanted()) {
    watch_ = std::make_unique<worker_watch>(*this);
  }
  scheduler_options options;
  options.workers = static_cast<int>(workers_) - 1;
  options.lent_threads = 1;
  options.on_worker_start = [this] {
    detail::current_host()->attachment_ = new attachment{.of = this, .state = nullptr, .blank = {}};
  };
  options.on_worker_stop = [this] { let_worker_go(); };
  pool_ = std::make_shared<scheduler>(options);
}

// Returns   the end of the run, of which the caller lets go.
martlet::handle<void> run::begin() {
  create_pool();
  closer_ = make_frame<closer>();
  return martlet::handle<void>(closer_->result());
}

PyObject* run::execute(PyObject* what, PyObject* const* args, Py_ssize_t count) {
  martlet::handle<void> end;
  try {
    end = begin();
  } catch (...) {
    return raise_what_was_caught(state_);
  }
  main_handle_ = object::take(spawn_in(*this, *root_, nullptr, what, args, count, {}, true));
  if (!main_handle_) {
    abandon();
    return nullptr;
  }
  if (is_simulated()) {
    run_to_the_end(std::move(end));  // where nobody sleeps, and so bytecode looks for signals often enough
  } else {
    signal_watch signals(*this);
    run_to_the_end(std::move(end));
    signals.stop();
  }
  end_pool();
  return result_of_main();
}

// There is no main tasklet after all.
void run::abandon() {
  closer_->give_up();
  end_pool();
}

// What is still there of C++'s ends here, and in a simulation that could not go on, the tasklets.
void run::end_pool() {
  if (!is_here()) {
    static_cast<void>(watch_.release());  // its thread is the parent's, and may have held its lock when that forked
  }
  Py_BEGIN_ALLOW_THREADS;  // the workers attach themselves to end, and the watch may do so
  if (watch_ != nullptr) {
    watch_->remove(lent_);
  }
  pool_.reset();
  watch_.reset();
  Py_END_ALLOW_THREADS;
  lent_.blank = {};
}

// Around the time in which the calling thread runs tasklets.
void run::enter_lent() noexcept {
  lent_.state = PyEval_SaveThread();
  is_lent_inside_ = true;
}

void run::leave_lent() noexcept {
  is_lent_inside_ = false;
  PyEval_RestoreThread(lent_.state);
}

void run::run_to_the_end(martlet::handle<void> end) {
  std::exception_ptr why_not;
  enter_lent();
  try {
    pool_->run_here(std::move(end));
  } catch (...) {  // a simulation: a deadlock, or a schedule that does not fit
    why_not = std::current_exception();
  }
  leave_lent();
  if (simulated_ != nullptr) {
    trace_ = {.hash = simulated_->hash(),
              .steps = simulated_->steps(),
              .elapsed = simulated_->elapsed(),
              .taken = simulated_->taken()};
  }
  if (why_not != nullptr) {
    try {
      std::rethrow_exception(why_not);
    } catch (...) {
      raise_what_was_caught(state_);
    }
    const object reason = take_error();
    stop_because(reason.get());
  }
}

// For a simulation's report. It is asked on the simulation's thread, by nobody's tasklet.
tasklet_label run::label_of(detail::tasklet& record) {
  const attachment& mine = attach(*detail::current_host());
  tasklet_frame& who = tasklet_frame::of(&record);
  const object frame = who.body_ == body::coroutine ? static_cast<coroutine_frame&>(who).suspended_frame()
                                                    : static_cast<function_frame&>(who).suspended_frame(mine.state);
  const object name = object::take(name_of(who.self_));
  const object place = object::take(frame ? place_of(frame.get()) : nullptr);
  tasklet_label label{.name = text_of(name.get()), .place = place ? text_of(place.get()) : "an unknown place"};
  PyErr_Clear();
  return label;
}

// Returns   true when something has stopped the run: it is raised.
bool run::raise_reason() {
  object reason;
  {
    const std::lock_guard guard(lock_);
    reason.swap(reason_);
  }
  const bool is_there = static_cast<bool>(reason);
  if (is_there) {
    raise_again(std::move(reason));
  }
  return is_there;
}

bool run::begin_as_guest(std::unique_ptr<guest>& seat) {
  try {
    create_pool();
    seat = std::make_unique<guest>(*pool_);
  } catch (...) {
    raise_what_was_caught(state_);
    return false;
  }
  is_guest_ = true;
  return true;
}

bool run::poll(guest& seat) {
  bool was_possible = true;
  enter_lent();
  try {
    seat.poll();
  } catch (...) {
    was_possible = false;
    leave_lent();
    raise_what_was_caught(state_);
  }
  if (was_possible) {
    leave_lent();
  }
  return was_possible && !raise_reason();
}

bool run::end_as_guest(std::unique_ptr<guest>& seat) {
  std::size_t own = 1;
  while (!live_.compare_exchange_strong(own, 0, base::acq_rel)) {  // [run.end]
    if (!tasklets().empty()) {
      PyErr_SetString(state_.misuse, "guest.close(): tasklets are under way; cancel them and wait for them first");
      return false;
    }
    own = 1;
    Py_BEGIN_ALLOW_THREADS std::this_thread::yield();  // a worker is about to count its last one
    Py_END_ALLOW_THREADS
  }
  enter_lent();
  seat.reset();
  leave_lent();
  end_pool();
  return true;
}

PyObject* run::result_of_main() {
  auto* main = reinterpret_cast<handle_object*>(main_handle_.get());
  main->is_told = true;
  if (raise_reason()) {
    return nullptr;
  }
  if (main->has_failed) {
    raise_again(object::share(main->outcome));
    return nullptr;
  }
  return Py_NewRef(main->outcome);
}

bool may_run_here(module_state& state, const char* call) {
  if (detail::current_host() != nullptr) {
    PyErr_Format(state.misuse, "%s: this thread runs tasklets already; spawn another one, or await it", call);
    return false;
  }
  switch (has_running_loop()) {
    case -1: return false;
    case 1:
      PyErr_Format(state.misuse,
                   "%s blocks, and this thread runs an asyncio event loop, which would stand still: call it in a "
                   "thread of its own (asyncio.to_thread)",
                   call);
      return false;
    default: return true;
  }
}

// A simulation has martlet for itself.
bool begin_run(module_state& state, const std::shared_ptr<run>& one, const char* call) {
  {
    const std::lock_guard guard(state.lock);
    if (!state.is_simulating.load(base::relaxed) && !(one->is_simulated() && !state.runs.empty())) {
      state.runs.push_back(one);
      state.is_simulating.store(one->is_simulated(), base::relaxed);
      return true;
    }
  }
  if (!refuse_beside_simulation(state, call)) {
    PyErr_Format(
        state.misuse,
        "%s: a run is under way on another thread, and a simulation has martlet for itself: begin it when that "
        "run has ended",
        call);
  }
  return false;
}

void end_run(module_state& state, const std::shared_ptr<run>& one) {
  const std::lock_guard guard(state.lock);
  state.runs.erase(std::find(state.runs.begin(), state.runs.end(), one));
  if (one->is_simulated()) {
    state.is_simulating.store(false, base::relaxed);
  }
}

PyObject* run_main(const std::shared_ptr<run>& all, PyObject* what, PyObject* const* args, Py_ssize_t count,
                   const char* call) {
  module_state& state = all->state();
  if (!may_run_here(state, call) || !begin_run(state, all, call)) {
    return nullptr;
  }
  PyObject* result = all->execute(what, args, count);
  end_run(state, all);
  return result;
}

std::shared_ptr<run> module_state::current_run() {
  const std::lock_guard guard(lock);
  for (auto one = runs.rbegin(); one != runs.rend(); ++one) {
    if ((*one)->is_guest_here()) {
      return *one;
    }
  }
  return runs.empty() || !runs.back()->is_here() ? nullptr : runs.back();
}

bool refuse_child_of_fork(const tasklet_frame& who, const char* call) {
  if (who.run_->is_here()) [[likely]] {
    return false;
  }
  PyErr_Format(who.run_->state().misuse,
               "%s: this is the child of a fork that a tasklet made, where nobody runs tasklets any more: call exec or "
               "os._exit there, or fork outside of martlet.run",
               call);
  return true;
}

std::shared_ptr<run> run_for_spawn(module_state& state) {
  if (tasklet_frame* self = current_tasklet(); self != nullptr) {
    if (refuse_child_of_fork(*self, "spawn()")) {
      return nullptr;
    }
    return self->run_->shared_from_this();
  }
  if (refuse_beside_simulation(state, "spawn()")) {
    return nullptr;
  }
  if (const detail::host* here = detail::current_host(); here != nullptr && here->attachment_ != nullptr) {
    return static_cast<attachment*>(here->attachment_)->of->shared_from_this();  // between two of its tasklets
  }
  std::shared_ptr<run> all = state.current_run();
  if (all == nullptr) {
    PyErr_SetString(state.misuse, "spawn(): nothing runs tasklets at the moment; spawn inside of martlet.run(main)");
  }
  return all;
}

}  // namespace martlet::python
