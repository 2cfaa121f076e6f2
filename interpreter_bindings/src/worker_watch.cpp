#include "worker_watch.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <martlet/base/signals.hpp>
#include <martlet/scheduler/held_worker.hpp>
#include <martlet/tasklet/errors.hpp>

#include "handle.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

constexpr base::instant between_looks = 50'000'000;
constexpr unsigned looks_before_rest = 20;

base::instant processor_time(clockid_t of) noexcept {
  timespec used{};
  ::clock_gettime(of, &used);
  return base::instant{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

// Whether the kernel has a thread asleep: one that is ready but gets no processor does not block.
bool sleeps(int thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  const std::size_t name_end = text.rfind(") ");
  return name_end != std::string::npos && (text[name_end + 2] == 'S' || text[name_end + 2] == 'D');
}

// How often to ask who waits, which looks at all tasklets: at first often, then every so many looks.
bool is_time_to_ask(unsigned looks) noexcept { return looks < 16 ? std::has_single_bit(looks) : looks % 16 == 0; }

// The innermost Python frame of a worker's thread, which is in the kernel, or has just come back from there.
object frame_of([[maybe_unused]] const attachment* worker, [[maybe_unused]] unsigned long ident) {
#ifdef Py_GIL_DISABLED
  PyObject* function = PySys_GetObject("_current_frames");  // borrowed; it stops the world
  const object frames = object::take(function == nullptr ? nullptr : PyObject_CallNoArgs(function));
  const object key = object::take(PyLong_FromUnsignedLong(ident));
  return frames && key ? object::share(PyDict_GetItemWithError(frames.get(), key.get())) : object();
#else
  return object::take(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(worker->state)));
#endif
}

// Returns   the places (file, line) that a frame and its callers are at, the innermost first; null with an exception set.
object places_of(object frame) {
  constexpr Py_ssize_t most = 6;
  object places = object::take(PyList_New(0));
  while (places && frame && PyList_GET_SIZE(places.get()) < most) {
    auto* at = reinterpret_cast<PyFrameObject*>(frame.get());
    const object code = object::take(reinterpret_cast<PyObject*>(PyFrame_GetCode(at)));
    const object place = object::take(Py_BuildValue("Oi", reinterpret_cast<PyCodeObject*>(code.get())->co_filename,
                                                    PyFrame_GetLineNumber(at)));
    if (!place || PyList_Append(places.get(), place.get()) < 0) {
      return {};
    }
    frame = object::take(reinterpret_cast<PyObject*>(PyFrame_GetBack(at)));
  }
  return places;
}

// Returns   the tasklet's handle, null when it has ended.
object handle_of(run& all, const detail::tasklet* who) {
  for (object& one : all.tasklets()) {
    if (&reinterpret_cast<handle_object*>(one.get())->frame->record_ == who) {
      return std::move(one);
    }
  }
  return {};
}

}  // namespace

bool worker_watch::is_wanted() {
  const char* said = std::getenv("MARTLET_WATCH");
  const std::string_view text = said == nullptr ? "" : said;
  if (!text.empty() && text != "off") {
    throw misuse("MARTLET_WATCH, in the environment, is \"off\" or nothing; found \"" + std::string(text) + '"');
  }
  return text.empty();
}

worker_watch::worker_watch(run& of) : of_(of) {
  const base::signals_blocked quiet;
  thread_ = std::thread([this] { watch(); });
}

worker_watch::~worker_watch() {
  state_.store(over, base::release);
  base::futex_wake(state_);
  thread_.join();
}

void worker_watch::add(attachment& of, detail::host& worker) {
  clockid_t clock = 0;
  ::pthread_getcpuclockid(::pthread_self(), &clock);
  const std::lock_guard guard(lock_);
  seats_.push_back({.of = &of,
                    .worker = &worker,
                    .thread = static_cast<int>(::syscall(SYS_gettid)),
                    .clock = clock,
                    .ident = PyThread_get_thread_ident()});
}

void worker_watch::remove(const attachment& of) noexcept {
  const std::lock_guard guard(lock_);
  std::erase_if(seats_, [&of](const seat& one) { return one.of == &of; });
}

void worker_watch::attached(attachment& of) noexcept {
  of.is_attached.store(true, base::seq_cst);                 // [watch.rest]
  if (state_.load(base::seq_cst) == resting) [[unlikely]] {  // [watch.rest]
    std::uint32_t was = resting;
    state_.compare_exchange_strong(was, looking, base::relaxed);
    base::futex_wake(state_);
  }
}

void worker_watch::watch() {
  for (unsigned idle = 0; state_.load(base::acquire) != over;) {
    idle = look() ? 0 : idle + 1;
    if (std::uint32_t now = looking;
        idle >= looks_before_rest && state_.compare_exchange_strong(now, resting, base::seq_cst)) {  // [watch.rest]
      idle = 0;
      if (now = resting; look()) {
        state_.compare_exchange_strong(now, looking, base::relaxed);
      }
      base::futex_wait(state_, resting);
    } else {
      base::futex_wait(state_, looking, base::now() + between_looks);
    }
  }
}

// Returns   whether any worker is attached.
bool worker_watch::look() {
  bool is_anybody = false;
  std::optional<seat> late;
  {
    const std::lock_guard guard(lock_);
    for (seat& one : seats_) {
      if (!one.of->is_attached.load(base::seq_cst)) {  // [watch.rest]
        one.used = -1;
        continue;
      }
      is_anybody = true;
      if (blocks_others(one)) {
        one.is_settled = true;
        late = one;
      }
    }
  }
  if (late) {
    tell(*late);
  }
  return is_anybody;
}

// Whether it has been asleep since the look before, and keeps others waiting for as long.
bool worker_watch::blocks_others(seat& one) {
  const std::uint64_t turns = detail::turns_of(*one.worker);
  const base::instant used = processor_time(one.clock);
  if (turns != one.turns || used != one.used) {
    one.turns = turns;
    one.used = used;
    one.looks = 0;
    one.kept_waiting = one.is_settled = false;
    return false;
  }
  if (one.is_settled || !is_time_to_ask(++one.looks) || !sleeps(one.thread)) {
    return false;
  }
  detail::look_after(*one.worker);  // whose time has come, or whose data, is ready then
  return std::exchange(one.kept_waiting, of_.has_queued(*one.worker)) && one.kept_waiting;
}

// Returns   the tasklet that the worker is still inside of, in the same turn; null when it has gone on.
const detail::tasklet* worker_watch::inside(const seat& late) {
  const std::lock_guard guard(lock_);
  for (const seat& one : seats_) {
    if (one.of == late.of && one.of->is_attached.load(base::relaxed) && detail::turns_of(*one.worker) == late.turns) {
      return one.worker->current_.load(base::relaxed);
    }
  }
  return nullptr;
}

// A call that keeps the global lock keeps this thread from attaching itself, too: then the worker has just come back from
// the call, and is in the same line.
void worker_watch::tell(const seat& late) {
  PyThreadState* mine = PyThreadState_New(of_.interpreter());
  PyEval_RestoreThread(mine);
  try {
    const detail::tasklet* who = inside(late);
    object frame = who == nullptr ? object() : frame_of(late.of, late.ident);
    const object places = frame ? places_of(std::move(frame)) : object();
    const object handle = places && inside(late) == who ? handle_of(of_, who) : object();
    if (handle) {
      const object teller = object::take(PyImport_ImportModule("martlet._blocked"));
      const object told =
          object::take(teller ? PyObject_CallMethod(teller.get(), "tell", "OO", handle.get(), places.get()) : nullptr);
      if (!told) {
        PyErr_WriteUnraisable(handle.get());  // such as a filter that makes errors of warnings
      }
    }
  } catch (const std::bad_alloc&) {  // there is no memory to say so either
  }
  PyErr_Clear();
  PyThreadState_Clear(mine);
  PyThreadState_DeleteCurrent();
}

}  // namespace martlet::python
