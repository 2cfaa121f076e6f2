#include <martlet/python/handle.hpp>

#include <algorithm>

#include <martlet/tasklet/errors.hpp>

#include "embedding.hpp"
#include "handle.hpp"

namespace martlet::python {
namespace {

handle_object* as_handle(const reference& of) noexcept { return reinterpret_cast<handle_object*>(of.get()); }

}  // namespace

reference join_operation::result() {
  const access attached;
  return reference::take(outcome_of(as_handle(handle_)));
}

join_operation handle::join() const {
  tasklet_frame& child = *as_handle(object_)->frame;
  const access attached;
  return join_operation(reference::share(object_.get()), child.record_, child.joiners_);
}

void handle::cancel() noexcept { ask_to_stop(*as_handle(object_)->frame); }

status handle::state() const noexcept { return detail::status_of(as_handle(object_)->frame->record_); }

handle spawn(PyObject* what, std::initializer_list<PyObject*> args, site where) {
  detail::host* here = detail::current_host();
  run* all = here == nullptr ? nullptr : run_of_worker(*here);
  if (all == nullptr) {
    throw misuse(
        "spawn: this thread runs no tasklets of a martlet::python::run_here: spawn in a tasklet there, to which another "
        "thread may say so through a channel");
  }
  if (what == nullptr || std::find(args.begin(), args.end(), nullptr) != args.end()) {
    throw misuse("spawn: expected a Python function and its arguments; found a null pointer among them");
  }
  all->attach_for_cpp(*here);
  return handle(reference::take(spawn_in(*all, all->root(), nullptr, what, args.begin(),
                                         static_cast<Py_ssize_t>(args.size()), {.where = where})));
}

}  // namespace martlet::python
