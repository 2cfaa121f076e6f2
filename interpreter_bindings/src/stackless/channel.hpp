#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// A value that nobody has received yet.
struct kept_value {
  object value;
  kept_value* next = nullptr;
};

/// `stackless.channel`: tasklets that wait, all to send or all to receive. `stackless.QueueChannel` keeps the values of those that
/// would wait to send.
///
/// All but `home` and `keeps` is under the lock.
struct channel {
  PyObject_HEAD layer* home;
  tasklet* head;
  tasklet* tail;
  PyObject* weak_references;
  int balance;             // how many wait, or are kept; negative: wait to receive
  std::int8_t preference;  // who goes on: -1 the receiver, 1 the sender, 0 the caller
  bool schedules_all;
  bool is_closing;
  bool keeps;              // it is a QueueChannel
  kept_value* first_kept;  // the oldest
  kept_value* last_kept;

  PyObject* self() noexcept { return reinterpret_cast<PyObject*>(this); }

  /// Puts a tasklet into the queue, before another one, or last. The queue takes over a reference. Under the lock.
  void insert(tasklet& one, int direction, tasklet* before) noexcept;

  /// Takes a tasklet out of the queue; the caller takes over the queue's reference. Under the lock.
  void remove(tasklet& one) noexcept;
};

inline channel* as_channel(PyObject* one) noexcept { return reinterpret_cast<channel*>(one); }

channel* new_channel(PyTypeObject* type);

/// Returns   a new reference; null with an exception set.
PyObject* send(channel& to, PyObject* value, PyObject* const* arguments = nullptr);
PyObject* receive(channel& from, PyObject* const* arguments = nullptr);
bool send_bomb(channel& to, object bomb, PyObject* const* arguments = nullptr);

}  // namespace martlet::python::stackless
