#include <martlet/python/reference.hpp>

#include <martlet/python/error.hpp>

#include "embedding.hpp"

namespace martlet::python {

reference reference::take(PyObject* fresh) {
  if (fresh == nullptr) {
    throw_raised();
  }
  reference result;
  result.pointer_ = fresh;
  return result;
}

void reference::drop() noexcept {
  if (Py_IsInitialized() == 0) {
    return;  // it has gone with the interpreter
  }
  const access attached;
  Py_DECREF(pointer_);
}

}  // namespace martlet::python
