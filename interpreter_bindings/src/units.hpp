#pragma once

#include "wait.hpp"

#include <martlet/channel/owner.hpp>
#include <martlet/channel/semaphore.hpp>

namespace martlet::python {

/// What `Lock`, `RLock`, `Semaphore` and `BoundedSemaphore` are: units that are taken and given back, first come, first
/// served.
struct units_object {
  PyObject_HEAD module_state* state;
  martlet::semaphore* units;
  PyObject* weak_references;
  Py_ssize_t most;                  // of a BoundedSemaphore
  base::atomic<const void*> owner;  // of an RLock: the tasklet or thread that has it; changed by that one only
  std::size_t depth;                // how often the owner has it; only the owner looks
};

/// Takes one unit; gives True, or False when the time is over.
class acquire_wait : public wait_at<units_object, detail::semaphore_acquire> {
 public:
  explicit acquire_wait(units_object* from) : wait_at(from, from->units->acquire()) {}

  PyObject* case_result() override {
    op_.result().dismiss();
    Py_RETURN_TRUE;
  }
  PyObject* late() override { Py_RETURN_FALSE; }
  void undo(PyObject* result) override {
    if (result == Py_True) {
      at()->units->release();
    }
  }
  bool yields_first() const noexcept override { return true; }
};

/// The arguments of an acquire.
struct acquire_request {
  bool may_wait = true;
  base::instant due = base::never;
};

/// Reads `(blocking=True, timeout=...)` of an acquire.
///
/// Takes     the name of the call; whether a negative time is an error, but for -1, which is no limit: so it is with locks.
/// Returns   false with an exception set.
bool read_acquire(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, bool is_of_lock,
                  acquire_request& what);

/// Makes the object of one of the types, with `count` units.
///
/// Returns   null with an exception set.
units_object* make_units(PyTypeObject* type, std::size_t count, std::size_t most) noexcept;

void free_units(PyObject* object);

/// Lets weak references to the objects be.
extern PyMemberDef units_members[];

}  // namespace martlet::python
