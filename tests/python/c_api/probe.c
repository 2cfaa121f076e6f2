// An extension module that hands the functions of <martlet/stackless.h> to Python, under their names. `...` stands for NULL.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <martlet/stackless.h>
#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const martlet_stackless_api* stackless;

static PyObject* given(PyObject* argument) { return argument == Py_Ellipsis ? NULL : argument; }

static PyObject* number(long answer) { return answer == -1 && PyErr_Occurred() ? NULL : PyLong_FromLong(answer); }

// Functions of the same kind share a wrapper, whose self says which one it is.
typedef PyObject* (*get_object)(void);
typedef PyObject* (*get_from)(PyObject*);
typedef int (*get_one)(PyObject*);
typedef int (*set_flag)(PyObject*, int);
typedef int (*with_three)(PyObject*, PyObject*, PyObject*);
typedef int (*with_four)(PyObject*, PyObject*, PyObject*, PyObject*);
#define FIELD(type) (*(type*)((char*)stackless + PyLong_AsSize_t(self)))

static PyObject* call_none(PyObject* self, PyObject* none) {
  (void)none;
  return FIELD(get_object)();
}

static PyObject* call_object(PyObject* self, PyObject* one) { return FIELD(get_from)(given(one)); }

static PyObject* ask(PyObject* self, PyObject* one) { return number(FIELD(get_one)(given(one))); }

static PyObject* ask_flag(PyObject* self, PyObject* args) {
  PyObject* one;
  int flag;
  return PyArg_ParseTuple(args, "Oi", &one, &flag) ? number(FIELD(set_flag)(given(one), flag)) : NULL;
}

static PyObject* ask_three(PyObject* self, PyObject* args) {
  PyObject *one, *two, *three;
  return PyArg_ParseTuple(args, "OOO", &one, &two, &three)
             ? number(FIELD(with_three)(given(one), given(two), given(three)))
             : NULL;
}

static PyObject* ask_four(PyObject* self, PyObject* args) {
  PyObject *one, *two, *three, *four;
  return PyArg_ParseTuple(args, "OOOO", &one, &two, &three, &four)
             ? number(FIELD(with_four)(given(one), given(two), given(three), given(four)))
             : NULL;
}

// Functions that are the only ones of their kind.

static PyObject* tasklet_new(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *type, *function;
  return PyArg_ParseTuple(args, "OO", &type, &function)
             ? stackless->tasklet_new((PyTypeObject*)given(type), given(function))
             : NULL;
}

static PyObject* channel_new(PyObject* self, PyObject* type) {
  (void)self;
  return stackless->channel_new((PyTypeObject*)given(type));
}

static PyObject* tasklet_spawn(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *function, *arguments, *keywords;
  return PyArg_ParseTuple(args, "OOO", &function, &arguments, &keywords)
             ? stackless->tasklet_spawn(given(function), given(arguments), given(keywords))
             : NULL;
}

static PyObject* tasklet_bind_thread(PyObject* self, PyObject* args) {
  (void)self;
  PyObject* one;
  unsigned long id;
  return PyArg_ParseTuple(args, "Ok", &one, &id) ? number(stackless->tasklet_bind_thread(given(one), id)) : NULL;
}

static PyObject* tasklet_throw(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *one, *type, *value, *traceback;
  int pending;
  return PyArg_ParseTuple(args, "OOOOi", &one, &type, &value, &traceback, &pending)
             ? number(stackless->tasklet_throw(given(one), given(type), given(value), given(traceback), pending))
             : NULL;
}

static PyObject* channel_send(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *one, *value;
  return PyArg_ParseTuple(args, "OO", &one, &value) ? number(stackless->channel_send(given(one), given(value))) : NULL;
}

static PyObject* get_run_count(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return number(stackless->get_run_count());
}

static PyObject* get_active_tasklet_count(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return number(stackless->get_active_tasklet_count());
}

static PyObject* get_all_time_tasklet_count(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return number(stackless->get_all_time_tasklet_count());
}

static PyObject* switch_trap(PyObject* self, PyObject* change) {
  (void)self;
  int before = -1;
  return stackless->switch_trap((int)PyLong_AsLong(change), &before) < 0 ? NULL : PyLong_FromLong(before);
}

static PyObject* schedule(PyObject* self, PyObject* args) {
  (void)self;
  PyObject* value;
  int removes;
  return PyArg_ParseTuple(args, "Oi", &value, &removes) ? stackless->schedule(given(value), removes) : NULL;
}

static PyObject* run(PyObject* self, PyObject* args) {
  (void)self;
  long limit;
  unsigned flags;
  return PyArg_ParseTuple(args, "lI", &limit, &flags) ? stackless->run(limit, flags) : NULL;
}

static PyObject* run_n_tasklets(PyObject* self, PyObject* count) {
  (void)self;
  return number(stackless->run_n_tasklets((unsigned)PyLong_AsUnsignedLong(count)));
}

// callable_new(list): a callable that appends its arguments to the list, and whose end appends "gone". None: a function that
// fails and says nothing. `...`: no function at all.
static PyObject* append(void* list, PyObject* args) {
  if (PyList_Append((PyObject*)list, args) < 0) {
    return NULL;
  }
  Py_RETURN_NONE;
}

static PyObject* fail(void* nothing, PyObject* args) {
  (void)nothing, (void)args;
  return NULL;
}

static void tell_and_release(void* list) {
  PyObject* word = PyUnicode_FromString("gone");
  PyList_Append((PyObject*)list, word);
  Py_DECREF(word);
  Py_DECREF((PyObject*)list);
}

static PyObject* callable_new(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *function, *list;
  if (!PyArg_ParseTuple(args, "OO!", &function, &PyList_Type, &list)) {
    return NULL;
  }
  martlet_stackless_function wanted = function == Py_Ellipsis ? NULL : function == Py_None ? &fail : &append;
  return stackless->callable_new(wanted, Py_NewRef(list), &tell_and_release);
}

// [tasklet]
// A tasklet of C's: receives numbers, and sends each of them doubled to where the last one went, until it is killed.
struct doubler {
  PyObject* in;
  PyObject* out;
};

static PyObject* double_all(void* data, PyObject* args) {
  (void)args;
  struct doubler* mine = data;
  for (;;) {
    PyObject* one = stackless->channel_receive(mine->in);
    PyObject* twice = one != NULL ? PyNumber_Add(one, one) : NULL;
    int sent = twice != NULL ? stackless->channel_send(mine->out, twice) : -1;
    Py_XDECREF(one);
    Py_XDECREF(twice);
    if (sent < 0) {
      return NULL;
    }
  }
}

static void release_doubler(void* data) {
  struct doubler* mine = data;
  Py_DECREF(mine->in);
  Py_DECREF(mine->out);
  PyMem_Free(mine);
}

static PyObject* spawn_doubler(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *in, *out;
  if (!PyArg_ParseTuple(args, "OO", &in, &out)) {
    return NULL;
  }
  struct doubler* mine = PyMem_Malloc(sizeof(*mine));
  if (mine == NULL) {
    return PyErr_NoMemory();
  }
  mine->in = Py_NewRef(in);
  mine->out = Py_NewRef(out);
  PyObject* function = stackless->callable_new(&double_all, mine, &release_doubler);
  PyObject* made = stackless->tasklet_spawn(function, NULL, NULL);  // NULL keeps the exception of the call before
  Py_XDECREF(function);
  return made;
}

// [end]

// A function of C's that does not let itself be ended: it waits three times, whatever becomes of that.
static PyObject* wait_three_times(void* nothing, PyObject* args) {
  (void)nothing, (void)args;
  for (int i = 0; i < 3; ++i) {
    Py_XDECREF(stackless->schedule(NULL, 1));
    PyErr_Clear();
  }
  Py_RETURN_NONE;
}

static PyObject* spawn_stubborn(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  PyObject* function = stackless->callable_new(&wait_three_times, NULL, NULL);
  PyObject* made = stackless->tasklet_spawn(function, NULL, NULL);
  Py_XDECREF(function);
  return made;
}

// What a call says that is given the NULL of another one which has failed.
static PyObject* nested(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return number(stackless->tasklet_insert(stackless->tasklet_new(NULL, Py_True)));
}

// Calls what may run something while an exception is set: each has to fail, and to leave it.
static PyObject* while_failing(PyObject* self, PyObject* args) {
  (void)self;
  PyObject *tasklet, *channel, *function;
  if (!PyArg_ParseTuple(args, "OOO", &tasklet, &channel, &function)) {
    return NULL;
  }
  PyErr_SetString(PyExc_ValueError, "the first one");
  const int flags[] = {
      stackless->tasklet_run(tasklet) == -1,
      stackless->tasklet_switch(tasklet) == -1,
      stackless->tasklet_throw(tasklet, PyExc_KeyError, NULL, NULL, 0) == -1,
      stackless->tasklet_raise_exception(tasklet, PyExc_KeyError, NULL) == -1,
      stackless->tasklet_kill(tasklet, 0) == -1,
      stackless->tasklet_bind(tasklet, NULL, NULL, NULL) == -1,
      stackless->tasklet_setup(tasklet, NULL, NULL) == -1,
      stackless->channel_send(channel, Py_None) == -1,
      stackless->channel_send_exception(channel, PyExc_KeyError, NULL) == -1,
      stackless->channel_send_throw(channel, PyExc_KeyError, NULL, NULL) == -1,
      stackless->run_n_tasklets(1) == -1,
      stackless->channel_receive(channel) == NULL,
      stackless->channel_new(NULL) == NULL,
      stackless->queue_channel_new() == NULL,
      stackless->callable_new(&fail, NULL, NULL) == NULL,
      stackless->tasklet_new(NULL, NULL) == NULL,
      stackless->tasklet_spawn(function, NULL, NULL) == NULL,
      stackless->tasklet_get_frame(tasklet) == NULL,
      stackless->set_schedule_callback(NULL) == NULL,
      stackless->set_channel_callback(NULL) == NULL,
      stackless->set_error_handler(NULL) == NULL,
      stackless->schedule(NULL, 0) == NULL,
      stackless->run(0, 0) == NULL,
      // These are for who cleans up.
      stackless->tasklet_remove(tasklet) == 0,
      stackless->tasklet_insert(tasklet) == 0,
      stackless->tasklet_check(tasklet) == 1,
      stackless->channel_check(tasklet) == 0,
      stackless->channel_close(channel) == 0,
  };
  for (size_t i = 0; i < COUNT(flags); ++i) {
    if (!flags[i]) {
      return PyErr_Format(PyExc_AssertionError, "call %zu", i);
    }
  }
  return NULL;
}

// Imports once more, as something that was compiled with another header would.
static PyObject* import_again(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return martlet_stackless_import() != NULL ? PyLong_FromVoidPtr((void*)stackless) : NULL;
}

static PyObject* pretend(PyObject* self, PyObject* args) {
  (void)self;
  static martlet_stackless_api other;
  other = *stackless;
  return PyArg_ParseTuple(args, "II", &other.version, &other.size)
             ? PyCapsule_New(&other, MARTLET_STACKLESS_API_NAME, NULL)
             : NULL;
}

static PyMethodDef single[] = {
    {"callable_new", callable_new, METH_VARARGS, NULL},
    {"tasklet_new", tasklet_new, METH_VARARGS, NULL},
    {"tasklet_spawn", tasklet_spawn, METH_VARARGS, NULL},
    {"tasklet_bind_thread", tasklet_bind_thread, METH_VARARGS, NULL},
    {"tasklet_throw", tasklet_throw, METH_VARARGS, NULL},
    {"channel_new", channel_new, METH_O, NULL},
    {"channel_send", channel_send, METH_VARARGS, NULL},
    {"get_run_count", get_run_count, METH_NOARGS, NULL},
    {"get_active_tasklet_count", get_active_tasklet_count, METH_NOARGS, NULL},
    {"get_all_time_tasklet_count", get_all_time_tasklet_count, METH_NOARGS, NULL},
    {"switch_trap", switch_trap, METH_O, NULL},
    {"schedule", schedule, METH_VARARGS, NULL},
    {"run", run, METH_VARARGS, NULL},
    {"run_n_tasklets", run_n_tasklets, METH_O, NULL},
    {"_spawn_doubler", spawn_doubler, METH_VARARGS, NULL},
    {"_spawn_stubborn", spawn_stubborn, METH_NOARGS, NULL},
    {"_nested", nested, METH_NOARGS, NULL},
    {"_while_failing", while_failing, METH_VARARGS, NULL},
    {"_import_again", import_again, METH_NOARGS, NULL},
    {"_pretend", pretend, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define LIKE(field, wrapper, flags) {{#field, wrapper, flags, NULL}, offsetof(martlet_stackless_api, field)}

static struct {
  PyMethodDef method;
  size_t offset;
} alike[] = {
    LIKE(tasklet_bind, ask_four, METH_VARARGS),
    LIKE(tasklet_setup, ask_three, METH_VARARGS),
    LIKE(tasklet_insert, ask, METH_O),
    LIKE(tasklet_remove, ask, METH_O),
    LIKE(tasklet_check, ask, METH_O),
    LIKE(tasklet_alive, ask, METH_O),
    LIKE(tasklet_paused, ask, METH_O),
    LIKE(tasklet_blocked, ask, METH_O),
    LIKE(tasklet_scheduled, ask, METH_O),
    LIKE(tasklet_restorable, ask, METH_O),
    LIKE(tasklet_is_main, ask, METH_O),
    LIKE(tasklet_is_current, ask, METH_O),
    LIKE(tasklet_set_atomic, ask_flag, METH_VARARGS),
    LIKE(tasklet_get_atomic, ask, METH_O),
    LIKE(tasklet_set_ignore_nesting, ask_flag, METH_VARARGS),
    LIKE(tasklet_get_ignore_nesting, ask, METH_O),
    LIKE(tasklet_set_block_trap, ask_flag, METH_VARARGS),
    LIKE(tasklet_get_block_trap, ask, METH_O),
    LIKE(tasklet_get_recursion_depth, ask, METH_O),
    LIKE(tasklet_get_nesting_level, ask, METH_O),
    LIKE(tasklet_get_frame, call_object, METH_O),
    LIKE(tasklet_get_times_switched_to, call_object, METH_O),
    LIKE(tasklet_run, ask, METH_O),
    LIKE(tasklet_switch, ask, METH_O),
    LIKE(tasklet_raise_exception, ask_three, METH_VARARGS),
    LIKE(tasklet_kill, ask_flag, METH_VARARGS),
    LIKE(queue_channel_new, call_none, METH_NOARGS),
    LIKE(channel_close, ask, METH_O),
    LIKE(channel_open, ask, METH_O),
    LIKE(channel_check, ask, METH_O),
    LIKE(channel_is_closing, ask, METH_O),
    LIKE(channel_is_closed, ask, METH_O),
    LIKE(channel_get_balance, ask, METH_O),
    LIKE(channel_get_queue, call_object, METH_O),
    LIKE(channel_set_preference, ask_flag, METH_VARARGS),
    LIKE(channel_get_preference, ask, METH_O),
    LIKE(channel_set_schedule_all, ask_flag, METH_VARARGS),
    LIKE(channel_get_schedule_all, ask, METH_O),
    LIKE(channel_receive, call_object, METH_O),
    LIKE(channel_send_exception, ask_three, METH_VARARGS),
    LIKE(channel_send_throw, ask_four, METH_VARARGS),
    LIKE(get_current, call_none, METH_NOARGS),
    LIKE(get_main, call_none, METH_NOARGS),
    LIKE(set_schedule_callback, call_object, METH_O),
    LIKE(set_channel_callback, call_object, METH_O),
    LIKE(set_error_handler, call_object, METH_O),
    LIKE(get_tasklet_exit, call_none, METH_NOARGS),
};

static int execute(PyObject* module) {
  stackless = martlet_stackless_import();
  if (stackless == NULL || PyModule_AddFunctions(module, single) < 0) {
    return -1;
  }
  for (size_t i = 0; i < COUNT(alike); ++i) {
    PyObject* offset = PyLong_FromSize_t(alike[i].offset);
    PyObject* function = offset != NULL ? PyCFunction_New(&alike[i].method, offset) : NULL;
    Py_XDECREF(offset);
    int added = PyModule_AddObjectRef(module, alike[i].method.ml_name, function);
    Py_XDECREF(function);
    if (added < 0) {
      return -1;
    }
  }
  return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void*)execute},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "probe", .m_slots = slots};

PyMODINIT_FUNC PyInit_probe(void) { return PyModuleDef_Init(&definition); }
