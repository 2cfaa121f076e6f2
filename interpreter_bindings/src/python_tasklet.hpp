#pragma once

#include "module_state.hpp"

#include <cstddef>
#include <memory>

#include <martlet/tasklet/extras.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/tasklet.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::python {

class family;
class run;
struct handle_object;

/// A function that wants to know of a tasklet's end.
struct end_callback {
  end_callback* next;
  object function;
};

enum class body : unsigned char { coroutine, function };

/// What every Python tasklet begins with: a frame made by hand with the shape of a coroutine's.
///
/// It lies in a slot of the frame pool, because a canceller may still look at its record when it has gone. Its handle
/// owns it, and while the tasklet lives it owns the handle: so Python's references decide how long both stay.
struct tasklet_frame {
  tasklet_frame(body what, void (*resume)(void*)) noexcept
      : resume_(resume), record_(detail::kind::python), body_(what) {}
  tasklet_frame(const tasklet_frame&) = delete;
  tasklet_frame& operator=(const tasklet_frame&) = delete;

  static tasklet_frame& of(detail::tasklet* record) noexcept { return *static_cast<tasklet_frame*>(record->frame()); }

  void (*resume_)(void*);
  void (*destroy_)(void*) = nullptr;  // never called: the handle destroys it
  detail::tasklet record_;
  body body_;
  bool stays_ = false;                             // on the thread that begins it
  base::atomic<unsigned> scopes_that_stop_it_{0};  // its own scopes in which a child failed
  detail::wait_list joiners_;                      // under the record's lock
  end_callback* callbacks_ = nullptr;              // under the record's lock too; the oldest first
  handle_object* self_ = nullptr;                  // a strong reference while it lives
  run* run_ = nullptr;
  family* family_ = nullptr;
  PyObject* locals_ = nullptr;             // its own attributes of `local` objects
  tasklet_frame* next_sibling_ = nullptr;  // under the family's lock
  tasklet_frame* previous_sibling_ = nullptr;
};

static_assert(detail::tasklet::frame_offset % alignof(detail::tasklet) == 0, "the record follows the two pointers");

/// Returns   the Python tasklet that calls, null on a thread that runs none at the moment.
inline tasklet_frame* current_tasklet() noexcept {
  const detail::host* here = detail::current_host();
  if (here == nullptr) {
    return nullptr;
  }
  detail::tasklet* who = here->current_.load(base::relaxed);  // of this very thread
  return who != nullptr && who->kind_ == detail::kind::python ? &tasklet_frame::of(who) : nullptr;
}

/// Asks it to stop, on behalf of anybody but its own scopes.
///
/// Threads   any that is attached and has a reference to its handle.
void ask_to_stop(tasklet_frame& who) noexcept;

/// Ends a tasklet: keeps what it returned or raised, and wakes whoever waits for that. `who` may be gone afterwards.
///
/// Takes     either a result or an error.
/// Threads   its worker, attached.
void end_tasklet(tasklet_frame& who, object result, object error);

/// Calls a function of martlet/_asyncio.py.
///
/// Returns   a new reference; null with an exception set.
PyObject* call_bridge(const char* function, PyObject* argument);

/// Returns   1 when this thread runs an asyncio event loop at the moment, 0 when not, -1 with an exception set.
int has_running_loop();

/// Takes memory for a frame from the pool and makes one in it. Throws std::bad_alloc.
template <class Frame, class... Args>
Frame* make_frame(Args&&... args) {
  void* place = detail::allocate_frame(sizeof(Frame));
  return std::construct_at(static_cast<Frame*>(place), std::forward<Args>(args)...);
}

template <class Frame>
void free_frame(Frame* frame) noexcept {
  std::destroy_at(frame);
  detail::free_frame(frame, sizeof(Frame));
}

}  // namespace martlet::python
