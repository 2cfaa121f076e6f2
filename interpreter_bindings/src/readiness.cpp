#include <cerrno>

#include "arguments.hpp"
#include "operation.hpp"

#include <fcntl.h>
#include <poll.h>

#include <martlet/net/error.hpp>
#include <martlet/net/socket.hpp>

/// Waiting until a descriptor can be read or written, for martlet/patch.py.
namespace martlet::python {
namespace {

/// `martlet._martlet.readiness`: a descriptor that is waited for.
struct readiness_object {
  PyObject_HEAD module_state* state;
  detail::socket at;  // a duplicate: closing it leaves the original alone
};

readiness_object* as_readiness(PyObject* self) noexcept { return reinterpret_cast<readiness_object*>(self); }

/// Is over as soon as the descriptor can be read, or written.
class readiness_operation final : public detail::case_operation<readiness_operation, detail::socket_wait> {
 public:
  readiness_operation(const detail::socket& on, const detail::toward& where) noexcept
      : case_operation<readiness_operation, detail::socket_wait>(on, where, look), where_(where) {}

  void result() const { throw_error("wait for a descriptor"); }

 private:
  static bool look_at(detail::socket_wait& wait, int fd) noexcept {
    const auto& self = static_cast<const readiness_operation&>(wait);
    pollfd one{
        .fd = fd, .events = static_cast<short>(self.where_ == detail::toward::in ? POLLIN : POLLOUT), .revents = 0};
    return ::poll(&one, 1, 0) != 0;  // an error will be told by whoever reads or writes next
  }
  static inline detail::socket_wait::attempt_function& look = look_at;

  detail::toward where_;
};

class readiness_wait final : public wait_at<readiness_object, readiness_operation> {
 public:
  readiness_wait(readiness_object* of, detail::toward where) noexcept : wait_at(of, of->at, where) {}

  PyObject* case_result() override {
    try {
      op_.result();
    } catch (const net::socket_closed&) {
      errno = EBADF;  // as whoever uses a closed one is told
      return PyErr_SetFromErrno(PyExc_OSError);
    } catch (...) {
      return raise_what_was_caught(state());
    }
    Py_RETURN_TRUE;
  }
  PyObject* late() override { Py_RETURN_FALSE; }
};

bool read_wait(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, detail::toward& where,
               base::instant& due) {
  arguments<2> parsed(call, {"write", "timeout"}, 2, 1);
  if (!parsed.parse(given, count, keywords) || !read_limit(parsed[1], due)) {
    return false;
  }
  where = PyObject_IsTrue(parsed[0]) == 1 ? detail::toward::out : detail::toward::in;
  return true;
}

PyObject* wait_method(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  detail::toward where{};
  base::instant due = 0;
  if (!read_wait(given, count, keywords, "wait", where, due)) {
    return nullptr;
  }
  readiness_wait waiting(as_readiness(object), where);
  return block_until(waiting, due, "waiting for a descriptor", "await readiness.await_()");
}

PyObject* await_method(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  detail::toward where{};
  base::instant due = 0;
  if (!read_wait(given, count, keywords, "await_", where, due)) {
    return nullptr;
  }
  return make_operation<readiness_wait>(*as_readiness(object)->state, due, "readiness.await_()", as_readiness(object),
                                        where);
}

PyObject* close(PyObject* object, PyObject*) {
  as_readiness(object)->at.close();
  Py_RETURN_NONE;
}

PyObject* make_readiness(PyTypeObject* type, PyObject* args, PyObject*) {
  int fd = -1;
  if (PyArg_ParseTuple(args, "i:readiness", &fd) == 0) {
    return nullptr;
  }
  object made = object::take(type->tp_alloc(type, 0));
  if (!made) {
    return nullptr;
  }
  readiness_object* self = as_readiness(made.get());
  self->state = &state_of(type);
  std::construct_at(&self->at);
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy == -1) {
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  try {
    self->at = detail::socket(copy);
  } catch (...) {
    return raise_what_was_caught(*self->state);
  }
  return made.release();
}

void free_readiness(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  std::destroy_at(&as_readiness(object)->at);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"wait", as_method(wait_method), with_keywords,
     "wait($self, write, timeout=None)\n--\n\nWaits until it can be read, or written. Returns False when the time was over."},
    {"await_", as_method(await_method), with_keywords,
     "await_($self, write, timeout=None)\n--\n\nThe awaitable twin of wait."},
    {"close", close, METH_NOARGS, "close($self)\n--\n\nEnds all waits for it with an OSError, and lets go of it."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("readiness(fd)\n--\n\nA descriptor that is waited for.")},
    {Py_tp_new, reinterpret_cast<void*>(make_readiness)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_readiness)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet._martlet.readiness",
    .basicsize = sizeof(readiness_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool add_readiness(PyObject* module) { return add_type(module, spec); }

}  // namespace martlet::python
