#pragma once

#include "cargo.hpp"
#include "wait.hpp"

#include <martlet/channel/channel.hpp>

namespace martlet::python {

/// `martlet.channel`: carries objects between tasklets of both kinds and threads; an isolated one, between interpreters.
struct channel_object {
  PyObject_HEAD module_state* state;
  std::shared_ptr<channel<cargo>> values;  // an isolated one's are those of its twins elsewhere, too
  bool is_isolated;
};

/// Makes a channel between the tasklets of one interpreter. Throws std::bad_alloc.
///
/// Returns   null with an exception set.
PyObject* make_channel(module_state& state, std::size_t capacity);

/// Makes of a value what the channel carries. Runs Python when it has to be packed.
///
/// Returns   false with Misuse set when it cannot cross.
bool load(const channel_object* to, PyObject* value, cargo& made);

/// Makes the twin, in this interpreter, of an isolated channel.
///
/// Returns   null with an exception set.
PyObject* make_isolated_channel(module_state& state, std::shared_ptr<channel<cargo>> values);

/// What a receive gives when the channel is closed and empty.
enum class at_end : unsigned char { raise_closed, stop_iteration, stop_async_iteration };

class receive_wait final : public case_wait<detail::receive_operation<cargo>> {
 public:
  receive_wait(channel_object* from, at_end what) noexcept
      : case_wait(*from->state, from->values->receive()),
        channel_(object::share(reinterpret_cast<PyObject*>(from))),
        at_end_(what) {}

  PyObject* case_result() override;
  void undo(PyObject* result) override;
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(channel_.get());
    return 0;
  }

 private:
  object channel_;
  at_end at_end_;
};

class send_wait final : public case_wait<detail::send_operation<cargo>> {
 public:
  send_wait(channel_object* to, cargo value) noexcept
      : case_wait(*to->state, to->values->send(std::move(value))),
        channel_(object::share(reinterpret_cast<PyObject*>(to))) {}

  PyObject* case_result() override;
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(channel_.get());
    Py_VISIT(const_cast<detail::send_operation<cargo>&>(op_).value().get());
    return 0;
  }

 private:
  object channel_;
};

}  // namespace martlet::python
