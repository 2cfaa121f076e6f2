#ifndef MARTLET_STACKLESS_H
#define MARTLET_STACKLESS_H

// martlet.stackless for programs and extension modules in C or C++: what Python has of it, without Python in between.
//
//   const martlet_stackless_api* stackless = martlet_stackless_import();
//   PyObject* npc = stackless->tasklet_spawn(function, NULL, NULL);
//   PyObject* late = stackless->run(10000, MARTLET_STACKLESS_TOTAL_TIMEOUT);   // once a frame
//
// There is nothing to link: the functions come out of the imported module. What they do is what the Python function or method
// of that name does, to the exceptions; what has no function here is asked for as in Python, say by PyObject_GetAttrString.
//
// For all of them, unless they say otherwise:
//   Takes     borrowed references. A wrong type, or NULL, is a TypeError.
//   Returns   a PyObject*: a new reference, NULL with an exception set. An int or long: 0 or what was asked for, -1 with an
//             exception set (where -1 may be an answer, PyErr_Occurred tells).
//   Errors    Those that make something, or may switch, or set a callback do nothing while an exception is set, and fail with
//             that one: so calls can be nested, and the outermost one looked at. The others work then, for who cleans up.
//   Threads   any that is attached to an interpreter which has imported martlet.stackless, outside of martlet.run's tasklets.
//             Each has a chain of its own; code that runs in no tasklet is in the thread's main tasklet, which is made when the
//             thread first needs it.
//   Switches  those under "May switch" may run other tasklets before they return, and with them anything. The others do not.
//
// A tasklet that waits in a function of C's keeps that function's stack frames until it goes on; when it is killed the function
// gets its NULL or -1 with TaskletExit, and has to return. A C++ exception must not leave a function that Python calls.

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

// Changes when something that was there does; what is new is added at the end, and makes the size larger.
#define MARTLET_STACKLESS_API_VERSION 1u
#define MARTLET_STACKLESS_API_NAME "martlet.stackless._C_API"

// What `run` takes.
#define MARTLET_STACKLESS_THREADBLOCK 1u     // sleep when nothing is runnable, until another thread changes that
#define MARTLET_STACKLESS_SOFT 2u            // interrupt where the tasklet switches by itself, and give nothing back
#define MARTLET_STACKLESS_IGNORE_NESTING 4u  // interrupt in spite of C functions between a tasklet's frames
#define MARTLET_STACKLESS_TOTAL_TIMEOUT 8u   // the limit is that of the whole run, not of each tasklet's turn

// A function that Python can call. `data` is what it was made with, `arguments` a tuple. It returns a new reference, or NULL with
// an exception set.
typedef PyObject* (*martlet_stackless_function)(void* data, PyObject* arguments);

typedef struct martlet_stackless_api {
  unsigned version;  // MARTLET_STACKLESS_API_VERSION
  unsigned size;     // of this struct, in bytes

  // ---- Tasklets -----------------------------------------------------------------------------------------------------

  // Makes a callable of a function: for tasklets, callbacks and the error handler. `release`, unless it is NULL, is called with
  // `data` when the callable goes, and when this fails. It is called attached, maybe on another thread, and must not switch.
  PyObject* (*callable_new)(martlet_stackless_function function, void* data, void (*release)(void* data));

  // Makes a tasklet of a class derived from tasklet, or with NULL of tasklet itself: type(function), without a function type().
  // Calls what a derived class defines. function: NULL for none.
  PyObject* (*tasklet_new)(PyTypeObject* type, PyObject* function);

  // Makes a tasklet of a function and its arguments, and makes it runnable, behind all others. args: a tuple, or NULL; kwargs: a
  // dict, or NULL.
  PyObject* (*tasklet_spawn)(PyObject* function, PyObject* args, PyObject* kwargs);

  // Gives a tasklet a function, or with args or kwargs the arguments too: it is alive and paused then. Each may be NULL. On a
  // tasklet that has started, takes away what it has (and may switch).
  int (*tasklet_bind)(PyObject* tasklet, PyObject* function, PyObject* args, PyObject* kwargs);

  // Gives a tasklet's function its arguments, and makes it runnable. args: a tuple, or NULL; kwargs: a dict, or NULL.
  int (*tasklet_setup)(PyObject* tasklet, PyObject* args, PyObject* kwargs);

  // Moves a tasklet that has not started to another thread, whose identifier is that of threading.get_ident().
  int (*tasklet_bind_thread)(PyObject* tasklet, unsigned long thread_id);

  // Makes a tasklet runnable, on its own thread; takes it out of the runnables.
  int (*tasklet_insert)(PyObject* tasklet);
  int (*tasklet_remove)(PyObject* tasklet);

  // 1 for true, 0 for false.
  int (*tasklet_check)(PyObject* object);  // any object, and it cannot fail: NULL is no tasklet
  int (*tasklet_alive)(PyObject* tasklet);
  int (*tasklet_paused)(PyObject* tasklet);
  int (*tasklet_blocked)(PyObject* tasklet);
  int (*tasklet_scheduled)(PyObject* tasklet);
  int (*tasklet_restorable)(PyObject* tasklet);
  int (*tasklet_is_main)(PyObject* tasklet);
  int (*tasklet_is_current)(PyObject* tasklet);

  // Set one of its flags, and return what it was; those with "get" return what it is.
  int (*tasklet_set_atomic)(PyObject* tasklet, int flag);
  int (*tasklet_get_atomic)(PyObject* tasklet);
  int (*tasklet_set_ignore_nesting)(PyObject* tasklet, int flag);
  int (*tasklet_get_ignore_nesting)(PyObject* tasklet);
  int (*tasklet_set_block_trap)(PyObject* tasklet, int flag);
  int (*tasklet_get_block_trap)(PyObject* tasklet);

  int (*tasklet_get_recursion_depth)(PyObject* tasklet);
  int (*tasklet_get_nesting_level)(PyObject* tasklet);
  PyObject* (*tasklet_get_frame)(PyObject* tasklet);  // Py_None when it has none
  PyObject* (*tasklet_get_times_switched_to)(PyObject* tasklet);

  // ---- Tasklets: may switch -----------------------------------------------------------------------------------------

  // Go on with a tasklet now. The caller stays runnable (run), or is taken out of the runnables (switch).
  int (*tasklet_run)(PyObject* tasklet);
  int (*tasklet_switch)(PyObject* tasklet);

  // Raises an exception in a tasklet, now; when pending, the tasklet is only made runnable, and there is no switch. type: a class
  // of exceptions, or an exception; value, traceback: may be NULL.
  int (*tasklet_throw)(PyObject* tasklet, PyObject* type, PyObject* value, PyObject* traceback, int pending);

  // Raises type(*args) in a tasklet, now. args: a tuple, or NULL.
  int (*tasklet_raise_exception)(PyObject* tasklet, PyObject* type, PyObject* args);

  // Raises TaskletExit in a tasklet; when pending, the tasklet is only made runnable, and there is no switch.
  int (*tasklet_kill)(PyObject* tasklet, int pending);

  // ---- Channels -----------------------------------------------------------------------------------------------------

  // Makes a channel of a class derived from channel, or with NULL of channel itself: type().
  PyObject* (*channel_new)(PyTypeObject* type);

  // Makes a channel that keeps what nobody waits for, so that a sender never waits.
  PyObject* (*queue_channel_new)(void);

  // After it nobody waits any more: whoever would, gets a ValueError. Wakes nobody. open takes it back.
  int (*channel_close)(PyObject* channel);
  int (*channel_open)(PyObject* channel);

  // 1 for true, 0 for false.
  int (*channel_check)(PyObject* object);  // any object, and it cannot fail: NULL is no channel
  int (*channel_is_closing)(PyObject* channel);
  int (*channel_is_closed)(PyObject* channel);

  // How many wait to send, or as a negative number to receive: -1 may be an answer.
  int (*channel_get_balance)(PyObject* channel);

  // The tasklet that has been waiting for longest, Py_None when there is none.
  PyObject* (*channel_get_queue)(PyObject* channel);

  // Who goes on when two have met: -1 the receiver, 1 the sender, 0 the caller. -1 may be an answer.
  int (*channel_set_preference)(PyObject* channel, int preference);
  int (*channel_get_preference)(PyObject* channel);

  // Whether the next runnable tasklet goes on instead of any of them.
  int (*channel_set_schedule_all)(PyObject* channel, int flag);
  int (*channel_get_schedule_all)(PyObject* channel);

  // ---- Channels: may switch -----------------------------------------------------------------------------------------

  int (*channel_send)(PyObject* channel, PyObject* value);
  PyObject* (*channel_receive)(PyObject* channel);

  // Send type(*args), or an exception as tasklet_throw takes it: it is raised where it is received.
  int (*channel_send_exception)(PyObject* channel, PyObject* type, PyObject* args);
  int (*channel_send_throw)(PyObject* channel, PyObject* type, PyObject* value, PyObject* traceback);

  // ---- The thread ---------------------------------------------------------------------------------------------------

  PyObject* (*get_current)(void);
  PyObject* (*get_main)(void);
  int (*get_run_count)(void);  // how many are runnable, the current one included

  // Of all threads of the interpreter: how many tasklets exist, and were made so far.
  long (*get_active_tasklet_count)(void);
  long (*get_all_time_tasklet_count)(void);

  // Changes how deep the thread is in code that must not switch, into *before how deep it was; before may be NULL.
  int (*switch_trap)(int change, int* before);

  // Have a callable called (callable_new makes one of a C function), or with Py_None or NULL none, and return the one before, or
  // Py_None. As in Python: (prev, next) before each switch; (channel, tasklet, sending, willblock) before each send and receive;
  // (type, value, traceback) in a tasklet that an error leaves. They are the interpreter's, not the thread's.
  PyObject* (*set_schedule_callback)(PyObject* callable);
  PyObject* (*set_channel_callback)(PyObject* callable);
  PyObject* (*set_error_handler)(PyObject* callable);

  PyObject* (*get_tasklet_exit)(void);  // the class of exceptions

  // ---- The thread: may switch ---------------------------------------------------------------------------------------

  // Goes on with the next runnable tasklet, and returns value when it is the caller's turn again. With removes, the caller is not
  // runnable any more, until somebody inserts it. value: NULL for Py_None.
  PyObject* (*schedule)(PyObject* value, int removes);

  // Runs the other tasklets of the thread until none is runnable, and returns Py_None; with a limit (in bytecodes, about; 0 for
  // none) the tasklet that was interrupted, which is alive and paused. flags: MARTLET_STACKLESS_...; an error that leaves a
  // tasklet is returned, unless there is an error handler. A SystemExit that leaves one ends the process here.
  PyObject* (*run)(long limit, unsigned flags);

  // Gives so many of the runnable tasklets a turn each, until they switch, block or end. 0 is a RuntimeError.
  int (*run_n_tasklets)(unsigned count);
} martlet_stackless_api;

// Imports martlet.stackless, and returns its functions: valid as long as the process. Call it once, attached.
//
// Returns NULL with an exception set: ImportError when the installed martlet does not have what this header says.
static inline const martlet_stackless_api* martlet_stackless_import(void) {
  PyObject* module = PyImport_ImportModule("martlet.stackless");
  if (module == NULL) {
    return NULL;
  }
  Py_DECREF(module);
  const martlet_stackless_api* found = (const martlet_stackless_api*)PyCapsule_Import(MARTLET_STACKLESS_API_NAME, 0);
  if (found == NULL) {
    PyErr_SetString(PyExc_ImportError,
                    "martlet/stackless.h: the martlet that is installed has no C API: install a newer one");
    return NULL;
  }
  if (found->version != MARTLET_STACKLESS_API_VERSION || found->size < sizeof(martlet_stackless_api)) {
    PyErr_Format(
        PyExc_ImportError,
        "martlet/stackless.h: version %u of the C API with %u bytes is expected, but version %u with %u bytes is "
        "installed: install the martlet that this was compiled with, or compile it with the header of the one that is",
        MARTLET_STACKLESS_API_VERSION, (unsigned)sizeof(martlet_stackless_api), found->version, found->size);
    return NULL;
  }
  return found;
}

#ifdef __cplusplus
}  // extern "C"
#endif

#endif
