#include <cstdlib>
#include <string_view>

#include <martlet/scheduler/search.hpp>

#include "arguments.hpp"
#include "run.hpp"
#include "wait.hpp"

namespace martlet::python {
namespace {

/// `martlet.simulation`: how programs are simulated, and what the latest run of one did.
struct simulation_object {
  PyObject_HEAD module_state* state;
  simulation_options* how;
  trace* latest;
};

simulation_object* as_simulation(PyObject* self) noexcept { return reinterpret_cast<simulation_object*>(self); }

// ---- how

constexpr struct {
  std::string_view name;
  strategy order;
} strategies[] = {
    {"uniform", strategy::uniform}, {"pct", strategy::pct},       {"round_robin", strategy::round_robin},
    {"replay", strategy::replay},   {"follow", strategy::follow},
};

bool needs_schedule(strategy order) noexcept { return order == strategy::replay || order == strategy::follow; }

// Reads a whole number; false with an exception set.
bool read_count(PyObject* given, const char* what, std::uint64_t least, std::uint64_t most, std::uint64_t& count) {
  if (given == nullptr) {
    return true;
  }
  const object number = object::take(PyNumber_Index(given));
  if (!number) {
    return false;
  }
  count = PyLong_AsUnsignedLongLong(number.get());
  if (PyErr_Occurred() != nullptr || count < least || count > most) {
    PyErr_Format(PyExc_ValueError, "%s is a number from %llu to %llu; found %R", what,
                 static_cast<unsigned long long>(least), static_cast<unsigned long long>(most), number.get());
    return false;
  }
  return true;
}

bool read_strategy(const char* given, simulation_options& how) {
  if (given == nullptr) {
    return true;
  }
  for (const auto& [name, order] : strategies) {
    if (name == given) {
      how.order = order;
      return true;
    }
  }
  PyErr_Format(
      PyExc_ValueError,
      "simulation(): a strategy is 'uniform', 'pct' or 'round_robin', or with a schedule 'replay' or 'follow'; "
      "found '%s'",
      given);
  return false;
}

// A schedule has its own seed, and is replayed unless it is to be followed.
bool read_schedule(const char* given, bool has_seed, bool has_strategy, simulation_options& how) {
  if (given == nullptr) {
    if (needs_schedule(how.order)) {
      PyErr_SetString(PyExc_ValueError, "simulation(): the strategies 'replay' and 'follow' need a schedule");
      return false;
    }
    return true;
  }
  if (has_seed || (has_strategy && !needs_schedule(how.order))) {
    PyErr_SetString(
        PyExc_ValueError,
        "simulation(): a schedule stands for a seed and a strategy: leave them out, or say 'follow' to pass "
        "over what does not fit any more");
    return false;
  }
  if (!has_strategy) {
    how.order = strategy::replay;
  }
  try {
    how.recorded = schedule::parse(given);
  } catch (const misuse& wrong) {
    PyErr_SetString(PyExc_ValueError, wrong.what());
    return false;
  }
  how.seed = how.recorded.seed;
  return true;
}

bool read_options(PyObject* args, PyObject* keywords, simulation_options& how) {
  static const char* names[] = {"seed", "strategy", "depth", "expected_steps", "schedule", "most_steps", nullptr};
  PyObject* seed = nullptr;
  const char* order = nullptr;
  PyObject* depth_given = nullptr;
  PyObject* expected_steps = nullptr;
  const char* recorded = nullptr;
  PyObject* most_steps = nullptr;
  if (PyArg_ParseTupleAndKeywords(args, keywords, "|O$zOOzO:simulation", const_cast<char**>(names), &seed, &order,
                                  &depth_given, &expected_steps, &recorded, &most_steps) == 0) {
    return false;
  }
  std::uint64_t depth = how.depth;
  if (!read_count(seed, "simulation(): seed", 0, UINT64_MAX, how.seed) ||
      !read_count(depth_given, "simulation(): depth", 1, UINT32_MAX, depth) ||
      !read_count(expected_steps, "simulation(): expected_steps", 1, UINT64_MAX, how.expected_steps) ||
      !read_count(most_steps, "simulation(): most_steps", 1, UINT64_MAX, how.most_steps) ||
      !read_strategy(order, how)) {
    return false;
  }
  how.depth = static_cast<unsigned>(depth);
  return read_schedule(recorded, seed != nullptr, order != nullptr, how);
}

PyObject* make_simulation(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  module_state& state = state_of(type);
  try {
    auto how = std::make_unique<simulation_options>();
    if (!read_options(args, keywords, *how)) {
      return nullptr;
    }
    auto latest = std::make_unique<trace>();
    latest->taken.seed = how->seed;
    auto* self = as_simulation(type->tp_alloc(type, 0));
    if (self == nullptr) {
      return nullptr;
    }
    self->state = &state;
    self->how = how.release();
    self->latest = latest.release();
    return reinterpret_cast<PyObject*>(self);
  } catch (...) {
    return raise_what_was_caught(state);
  }
}

void free_simulation(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  delete as_simulation(object)->how;
  delete as_simulation(object)->latest;
  type->tp_free(object);
  Py_DECREF(type);
}

// ---- running

// Whether this process was told how to hash strings. CPython says the same (1) of a number and of "random".
bool has_fixed_hashes() {
  const auto flag = [](const char* name) {
    PyObject* flags = PySys_GetObject("flags");  // borrowed
    const object value = object::take(flags == nullptr ? nullptr : PyObject_GetAttrString(flags, name));
    const long number = value ? PyLong_AsLong(value.get()) : 1;
    PyErr_Clear();
    return number != 0;
  };
  if (!flag("hash_randomization")) {
    return true;
  }
  const char* said = std::getenv("PYTHONHASHSEED");
  const std::string_view text = said == nullptr || flag("ignore_environment") ? "" : said;
  return !text.empty() && text != "random";
}

bool refuse_random_hashes(module_state& state, const char* call) {
  if (has_fixed_hashes()) {
    return false;
  }
  PyErr_Format(
      state.misuse,
      "%s: this process hashes strings in its own way, so that sets have another order in each process, and the "
      "same seed would not give the same run: start Python with PYTHONHASHSEED=0, or another number, in the "
      "environment",
      call);
  return true;
}

/// Keeps the cycle collector off: when it runs depends on what the process did before, and it runs destructors.
class no_collection {
 public:
  no_collection() noexcept : was_on_(PyGC_Disable() != 0) {}
  no_collection(const no_collection&) = delete;
  no_collection& operator=(const no_collection&) = delete;
  ~no_collection() {
    if (was_on_) {
      PyGC_Enable();
    } else {
      PyGC_Disable();
    }
  }

 private:
  const bool was_on_;
};

PyObject* run_simulated(simulation_object* self, PyObject* const* given, Py_ssize_t count, const char* call) {
  module_state& state = *self->state;
  if (count == 0) {
    PyErr_Format(PyExc_TypeError, "%s needs a coroutine or a function to run", call);
    return nullptr;
  }
  if (refuse_random_hashes(state, call)) {
    return nullptr;
  }
  try {
    const no_collection meanwhile;
    const auto all = std::make_shared<run>(state, *self->how);
    PyObject* result = run_main(all, given[0], given + 1, count - 1, call);
    *self->latest = all->taken();
    return result;
  } catch (...) {
    return raise_what_was_caught(state);
  }
}

PyObject* run_method(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  return run_simulated(as_simulation(self), given, count, "simulation.run()");
}

PyObject* simulate(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  auto* type = reinterpret_cast<PyObject*>(state_of(module).simulation_type);
  const object how = object::take(PyObject_Vectorcall(type, given + count, 0, keywords));
  return how ? run_simulated(as_simulation(how.get()), given, count, "simulate()") : nullptr;
}

// ---- exploring

// Ends a search: the Python exception that is set goes on.
struct search_ended {};

/// A program that is run under many schedules.
class explored {
 public:
  explored(module_state& state, PyObject* main) noexcept : state_(state), main_(main) {}

  // An error that is no failure of the program's ends the search.
  detail::attempt run_once(const simulation_options& how) {
    if (++count_ % between_collections == 0) {
      PyGC_Collect();  // what failed runs leave; nothing where collection is off
    }
    const auto all = std::make_shared<run>(state_, how);
    all->explore();
    error_ = {};
    {
      const no_collection meanwhile;
      const object result = object::take(run_main(all, main_, nullptr, 0, "explore()"));
      error_ = result ? object() : take_error();
    }
    if (!error_) {
      error_ = all->take_unjoined();
    }
    detail::attempt one{.failure = {}, .error = {}, .taken = all->taken().taken, .steps = all->taken().steps};
    if (error_) {
      if (one.steps == 0 || PyErr_GivenExceptionMatches(error_.get(), PyExc_KeyboardInterrupt) != 0 ||
          PyErr_GivenExceptionMatches(error_.get(), PyExc_SystemExit) != 0) {
        raise_again(std::move(error_));
        throw search_ended();
      }
      one.failure = Py_TYPE(error_.get())->tp_name;
    }
    return one;
  }

  /// Returns   what the latest run failed with, if it did.
  object take_failure() noexcept { return std::move(error_); }

 private:
  static constexpr unsigned between_collections = 256;

  module_state& state_;
  PyObject* const main_;
  object error_;
  unsigned count_ = 0;
};

// Raises what the shortest schedule fails with, and says there how to see it again.
PyObject* raise_failure(explored& program, module_state& state, const detail::finding& found,
                        std::uint64_t most_steps) {
  const detail::finding::failure& failed = *found.failed;
  program.run_once(
      {.seed = failed.shrunk.seed, .order = strategy::replay, .recorded = failed.shrunk, .most_steps = most_steps});
  object error = program.take_failure();
  if (!error) {
    PyErr_Format(state.misuse,
                 "explore(): schedule %llu failed, and when it was run again it did not: what main does depends on "
                 "something else than its schedule, such as what an earlier run has left",
                 static_cast<unsigned long long>(found.schedules));
    return nullptr;
  }
  const object note = object::take(PyUnicode_FromFormat(
      "martlet.explore: schedule %llu failed (seed %llu, %s). To see it again: martlet.simulate(main, schedule=\"%s\")  "
      "# %zu choice%s, of %zu at first",
      static_cast<unsigned long long>(found.schedules), static_cast<unsigned long long>(failed.seed),
      detail::name_of(failed.order), failed.shrunk.text().c_str(), failed.shrunk.choices.size(),
      failed.shrunk.choices.size() == 1 ? "" : "s", failed.found.choices.size()));
  if (note) {
    Py_XDECREF(PyObject_CallMethod(error.get(), "add_note", "O", note.get()));
  }
  PyErr_Clear();
  raise_again(std::move(error));
  return nullptr;
}

PyObject* explore(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  module_state& state = state_of(module);
  arguments<5> parsed("explore", {"main", "schedules", "first_seed", "most_steps", "shrinking"}, 1, 1);
  exploration_options how;
  if (!parsed.parse(given, count, keywords) ||
      !read_count(parsed[1], "explore(): schedules", 1, UINT64_MAX, how.schedules) ||
      !read_count(parsed[2], "explore(): first_seed", 0, UINT64_MAX, how.first_seed) ||
      !read_count(parsed[3], "explore(): most_steps", 1, UINT64_MAX, how.most_steps) ||
      !read_count(parsed[4], "explore(): shrinking", 0, UINT64_MAX, how.shrinking)) {
    return nullptr;
  }
  if (PyCallable_Check(parsed[0]) == 0) {
    PyErr_Format(PyExc_TypeError,
                 "explore() runs main many times, and takes a function or a coroutine function; found %s",
                 Py_TYPE(parsed[0])->tp_name);
    return nullptr;
  }
  if (refuse_random_hashes(state, "explore()")) {
    return nullptr;
  }
  try {
    explored program(state, parsed[0]);
    const detail::finding found =
        detail::search([&](const simulation_options& one) { return program.run_once(one); }, how);
    return found.failed ? raise_failure(program, state, found, how.most_steps)
                        : PyLong_FromUnsignedLongLong(found.schedules);
  } catch (const search_ended&) {
    return nullptr;
  } catch (...) {
    return raise_what_was_caught(state);
  }
}

// ---- what it did

PyObject* get_seed(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_simulation(self)->how->seed); }
PyObject* get_hash(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_simulation(self)->latest->hash); }
PyObject* get_steps(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_simulation(self)->latest->steps); }

PyObject* get_elapsed(PyObject* self, void*) {
  return PyFloat_FromDouble(std::chrono::duration<double>(as_simulation(self)->latest->elapsed).count());
}

PyObject* get_schedule(PyObject* self, void*) {
  try {
    return PyUnicode_FromString(as_simulation(self)->latest->taken.text().c_str());
  } catch (...) {
    return raise_what_was_caught(*as_simulation(self)->state);
  }
}

PyMethodDef methods[] = {
    {"run", as_method(run_method), METH_FASTCALL,
     "run($self, main, /, *args)\n--\n\n"
     "Runs main as martlet.run does, from the beginning: the same again each time.\n\n"
     "Takes     a coroutine, a coroutine function or a plain function, and its arguments.\n"
     "Returns   what main returned.\n"
     "Throws    what main raised; Deadlock; Misuse inside a tasklet, beside another run, and unless PYTHONHASHSEED is a\n"
     "          number."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"seed", get_seed, nullptr, "What chooses.", nullptr},
    {"hash", get_hash, nullptr,
     "A number that tells runs apart: of each spawn, turn, wait, wake-up, end and jump of the clock of the latest run, by "
     "the numbers of its tasklets. 0 before the first.",
     nullptr},
    {"steps", get_steps, nullptr, "How many turns tasklets had in the latest run.", nullptr},
    {"elapsed", get_elapsed, nullptr, "How many seconds the simulation's clock moved in the latest run.", nullptr},
    {"schedule", get_schedule, nullptr,
     "What was chosen in the latest run: one line, which another simulation takes to run the same.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "simulation(seed=1, *, strategy=None, depth=3, expected_steps=1000, schedule=None, most_steps=100_000_000)\n"
         "--\n\n"
         "Runs programs on one thread, in an order that a seed chooses, in virtual time.\n\n"
         "Takes     strategy: 'uniform', each that is ready with the same chance, is what None means; 'pct', by priorities\n"
         "          that change at depth - 1 of about expected_steps steps; 'round_robin'. Or, in place of a seed, a\n"
         "          schedule: what another one's attribute of that name says, to run that again; with the strategy\n"
         "          'follow' what does not fit any more is passed over. most_steps: after how many turns a run counts as\n"
         "          endless.\n"
         "Throws    ValueError.\n\n"
         "The same seed gives the same run, in every process that has the same PYTHONHASHSEED. A sleep takes no time, and\n"
         "when everybody waits Deadlock is raised. Automatic collection is off meanwhile. What other threads do, the\n"
         "system's clock, input and the order of sets of objects without a __hash__ of their own are not the seed's.")},
    {Py_tp_new, reinterpret_cast<void*>(make_simulation)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_simulation)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.simulation",
    .basicsize = sizeof(simulation_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

PyMethodDef simulation_functions[] = {
    {"simulate", as_method(simulate), METH_FASTCALL | METH_KEYWORDS,
     "simulate($module, main, /, *args, seed=1, strategy=None, depth=3, expected_steps=1000, schedule=None, "
     "most_steps=100_000_000)\n--\n\n"
     "Runs main as a tasklet in a simulation: on one thread, in an order that a seed chooses, in virtual time.\n\n"
     "Takes     main and its arguments as run does, the rest as simulation does.\n"
     "Returns   what main returned.\n"
     "Throws    what main raised; Deadlock when nothing can run any more; Misuse inside a tasklet, beside another run, and\n"
     "          unless PYTHONHASHSEED is a number."},
    {"explore", as_method(explore), METH_FASTCALL | METH_KEYWORDS,
     "explore($module, main, /, *, schedules=10_000, first_seed=1, most_steps=1_000_000, shrinking=2_000)\n--\n\n"
     "Runs main in simulations under many schedules, until one of them makes it fail, and looks for a short one that does.\n\n"
     "It fails when it raises, in a deadlock, when a tasklet raises what nobody joins, and when it takes most_steps turns.\n"
     "Half of the schedules are uniformly random, half by priorities with few changes ('pct', of depth 2 to 4).\n\n"
     "Takes     a function or a coroutine function without arguments, which makes all that it uses itself; how many\n"
     "          schedules to try, and how many runs may be spent on making the one that failed shorter.\n"
     "Returns   how many schedules were tried; none failed.\n"
     "Throws    what main raised under the shortest schedule that was found, with a note that tells how to see it again;\n"
     "          KeyboardInterrupt and SystemExit at once; Misuse as simulate does."},
    {nullptr, nullptr, 0, nullptr},
};

bool make_simulation_type(PyObject* module, module_state& state) {
  state.simulation_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return state.simulation_type != nullptr && PyModule_AddType(module, state.simulation_type) == 0;
}

}  // namespace martlet::python
