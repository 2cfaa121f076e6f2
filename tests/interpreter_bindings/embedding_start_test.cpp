#include <martlet/python.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/martlet.hpp>

#include "in_child.hpp"
#include "python_code.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
namespace python = martlet::python;
using martlet::task;

task<int> answer() { co_return 42; }

void say(const std::string& what) { std::fputs(what.c_str(), stderr); }

// Each in a process of its own, since an interpreter begins once.
TEST_SUITE("embedding, the start") {
  TEST_CASE("without an interpreter every call says so") {
    const child_end end = in_child([] {
      say(thrown_by<martlet::misuse>([] { python::run_here(answer()); }) + "\n");
      say(thrown_by<martlet::misuse>([] { python::install(); }) + "\n");
      say(thrown_by<martlet::misuse>([] { python::object_channel none; }) + "\n");
      martlet::scheduler pool(1);
      pool.block_on(pool.spawn([] { say(thrown_by<martlet::misuse>([] { python::attach(); })); }));
    });
    CHECK(end.exited_with(0));
    CHECK(end.said("run_here: there is no Python interpreter in this process: call Py_Initialize before it\n"));
    CHECK(end.said("install: there is no Python interpreter in this process"));
    CHECK(end.said("object_channel: there is no Python interpreter in this process"));
    CHECK(end.said("attach: this thread runs no tasklets of a martlet::python::run_here"));
  }

  TEST_CASE("a thread that is not attached is told") {
    const child_end end = in_child([] {
      Py_InitializeEx(0);
      std::thread other([] { say(thrown_by<martlet::misuse>([] { python::run_here(answer()); })); });
      other.join();
      const detached meanwhile;
      say(thrown_by<martlet::misuse>([] { python::run_here(answer()); }));
    });
    CHECK(end.exited_with(0));
    const std::string sentence = "run_here: this thread is not attached to the main interpreter";
    CHECK(end.errors.find(sentence) != std::string::npos);
    CHECK(end.errors.find(sentence) != end.errors.rfind(sentence));
  }

  TEST_CASE("any thread that is attached may run it") {
    const child_end end = in_child([] {
      Py_InitializeEx(0);
      std::thread other([] {
        const PyGILState_STATE before = PyGILState_Ensure();
        say(std::to_string(python::run_here(answer())));
        PyGILState_Release(before);
      });
      {
        const detached meanwhile;
        other.join();
      }
      say(std::to_string(python::run_here(answer(), 2)));
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors == "4242");
  }

  TEST_CASE("Python code imports the program's own martlet") {
    const child_end end = in_child([] {
      Py_InitializeEx(0);
      python::install();
      python::install();
      PyRun_SimpleString(
          "import sys, martlet, martlet._martlet\n"
          "assert martlet._martlet is sys.modules['martlet._martlet']\n"
          "assert not hasattr(martlet._martlet, '__file__')\n"
          "async def main():\n"
          "    return 'a run of its own'\n"
          "print(martlet.run(main), file=sys.stderr)\n");
      say(std::to_string(python::run_here(answer())));
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors == "a run of its own\n42");
  }

  TEST_CASE("the extension module beside it is refused") {
    const child_end end = in_child([] {
      Py_InitializeEx(0);
      PyRun_SimpleString("import sys, types\nsys.modules['martlet._martlet'] = types.ModuleType('martlet._martlet')\n");
      say(thrown_by<martlet::misuse>([] { python::run_here(answer()); }));
    });
    CHECK(end.exited_with(0));
    CHECK(end.said("run_here: martlet was imported before, as an extension module"));
  }

  TEST_CASE("where martlet's Python files are missing it says what to do, and works once they are there") {
    const std::string found = std::getenv("PYTHONPATH");
    const child_end end = in_child([&] {
      ::unsetenv("PYTHONPATH");
      Py_InitializeEx(0);
      say(thrown_by<martlet::misuse>([] { python::run_here(answer()); }) + "\n");
      PyRun_SimpleString(("import sys; sys.path.insert(0, '" + found + "')").c_str());
      say(std::to_string(python::run_here(answer())));
    });
    CHECK(end.exited_with(0));
    CHECK(
        end.said("run_here: martlet's Python files are not where Python looks for modules: put the folder that has "
                 "martlet/ on PYTHONPATH, or into sys.path (ModuleNotFoundError: No module named 'martlet')\n42"));
  }

  TEST_CASE("Ctrl-C stops the run where Python has the signal") {
    const child_end end = in_child([] {
      std::signal(SIGINT, SIG_DFL);  // doctest has it
      Py_Initialize();
      std::string said = "nothing";
      try {
        python::run_here([]() -> task<> {
          std::raise(SIGINT);
          co_await martlet::sleep_for(1h);
        }());
      } catch (const python::error& error) {
        said = error.type();
      }
      std::fputs(said.c_str(), stderr);
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors == "KeyboardInterrupt");
  }

  TEST_CASE("a fiber that waits inside of Python code stops the program") {
    const child_end end = in_child([] {
      start_python();
      static PyMethodDef waits = {"waits",
                                  [](PyObject*, PyObject*) -> PyObject* {
                                    martlet::await(martlet::sleep_for(1ms));
                                    return Py_NewRef(Py_None);
                                  },
                                  METH_NOARGS, nullptr};
      const python_code code("def call(f):\n  f()\n");
      const auto function = python::reference::take(PyCFunction_New(&waits, nullptr));
      python::run_here([](const python_code& of, PyObject* wait) -> task<> {
        co_await martlet::spawn(
            [&of, wait] {
              python::attach();
              python::reference::take(PyObject_CallOneArg(of["call"], wait));
            },
            martlet::fiber_options{.stack_size = std::size_t{1} << 20});
      }(code, function.get()));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("a fiber waited inside of C++ code that was called by Python code"));
  }

  TEST_CASE("the interpreter ends, and another one begins") {
    const child_end end = in_child([] {
      for (int i = 0; i < 3; ++i) {
        start_python();
        python::reference left_behind;
        {
          const python_code code("import martlet\nasync def f(n):\n  await martlet.ayield()\n  return n\n");
          const long seen = python::run_here([](const python_code& of) -> task<long> {
            python::handle call = python::spawn(of["f"], {number(7).get()});
            const python::reference value = co_await call.join();
            co_return number_of(value);
          }(code));
          say(std::to_string(seen));
          left_behind = text("it outlives its interpreter");
        }
        say(std::to_string(Py_FinalizeEx()));
      }
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors == "707070");
  }
}

}  // namespace
