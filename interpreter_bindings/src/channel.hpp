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

/// `channel.receive`.
class receive_wait : public wait_at<channel_object, detail::receive_operation<cargo>> {
 public:
  explicit receive_wait(channel_object* from) noexcept : wait_at(from, from->values->receive()) {}

  PyObject* case_result() override;
  void undo(PyObject* result) override;

 protected:
  /// Raises what it gives when the channel is closed and empty; nothing raised means the end of an iteration.
  virtual void raise_end();
};

/// `channel.send`.
class send_wait final : public wait_at<channel_object, detail::send_operation<cargo>> {
 public:
  send_wait(channel_object* to, cargo value) noexcept : wait_at(to, to->values->send(std::move(value))) {}

  PyObject* case_result() override;
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(const_cast<detail::send_operation<cargo>&>(op_).value().get());
    return wait_at::traverse(visit, arg);
  }
};

}  // namespace martlet::python
