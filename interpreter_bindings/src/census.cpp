#include "parcel.hpp"
#include "run.hpp"

#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/stack_pool.hpp>

/// `_census`: what tests compare before and after.
namespace martlet::python {
namespace {

std::size_t count_frames() {
  std::size_t count = 0;
  detail::frames().walk([&](const detail::free_slot* slot, std::size_t) {
    count += detail::tasklet::tag_of(slot->word.load(base::acquire)) == detail::tag::free ? 0U : 1U;
  });
  return count;
}

PyObject* census(PyObject* module, PyObject*) {
  module_state& state = state_of(module);
  state.lock.lock();
  const std::size_t runs = state.runs.size();
  const std::size_t coroutines = state.coroutines.size();
  state.lock.unlock();
  const std::size_t lent = state.home->release_returned();
  return Py_BuildValue("{s:n,s:n,s:n,s:n,s:n,s:n}", "runs", runs, "coroutines of tasklets", coroutines,
                       "buffers lent to other interpreters", lent, "callbacks of handles",
                       state.callbacks.load(base::relaxed), "frames of tasklets", count_frames(), "stacks of functions",
                       detail::stacks().counts().taken);
}

}  // namespace

PyMethodDef census_functions[] = {
    {"_census", census, METH_NOARGS,
     "_census($module, /)\n--\n\nCounts what is there that no object of Python's shows, for tests; of the process, but for "
     "what is an interpreter's."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python
