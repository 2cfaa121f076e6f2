#include <martlet/python.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/martlet.hpp>

#include "python_code.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
namespace python = martlet::python;
using martlet::task;

constexpr unsigned all_widths[] = {1, 2, 4};

bool is_attached() { return martlet::detail::current_host()->detach_ != nullptr; }

TEST_SUITE("embedding") {
  TEST_CASE("a task of C++'s awaits Python tasklets of both kinds") {
    start_python();
    const python_code code(R"(
import martlet

async def twice(n):
    await martlet.asleep(0.001)
    return 2 * n

def add(a, b):
    martlet.sleep(0.001)
    return a + b
)");
    for (const unsigned width : all_widths) {
      const long sum = python::run_here(
          [](const python_code& of) -> task<long> {
            python::handle one = python::spawn(of["twice"], {number(20).get()});
            python::handle other = python::spawn(of["add"], {number(1).get(), number(1).get()});
            const python::reference forty = co_await one.join();
            const python::reference two = co_await other.join();
            co_return number_of(forty) + number_of(two);
          }(code),
          width);
      CHECK(sum == 42);
    }
  }

  TEST_CASE("so does a fiber, which may use Python too") {
    start_python();
    const python_code code("async def twice(n):\n  return 2 * n\ndef add(a, b):\n  return a + b\n");
    python::run_here([](const python_code& of) -> task<> {
      auto fiber = martlet::spawn(
          [&of] {
            python::handle call = python::spawn(of["twice"], {number(20).get()});
            const python::reference forty = martlet::await(call.join());
            martlet::await(martlet::yield());
            const auto sum =
                python::reference::take(PyObject_CallFunctionObjArgs(of["add"], forty.get(), number(2).get(), nullptr));
            return number_of(sum);
          },
          martlet::fiber_options{.stack_size = std::size_t{1} << 20});
      CHECK(co_await fiber.join() == 42);
    }(code));
  }

  TEST_CASE("many tasklets of both languages take turns") {
    start_python();
    const python_code code(R"(
import martlet

async def add(a, b):
    await martlet.ayield()
    return a + b

def add_too(a, b):
    martlet.yield_()
    return a + b
)");
    for (const unsigned width : all_widths) {
      const auto adds = [](const python_code& of, long begin) -> task<long> {
        long sum = begin;
        for (long i = 0; i < 20; ++i) {
          python::handle call = python::spawn(of[i % 2 == 0 ? "add" : "add_too"], {number(sum).get(), number(i).get()});
          const python::reference more = co_await call.join();
          sum = number_of(more);
          co_await martlet::yield();
        }
        co_return sum;
      };
      python::run_here(
          [](const python_code& of, auto body) -> task<> {
            co_await martlet::in_scope([&](martlet::scope& all) -> task<> {
              for (long i = 0; i < 100; ++i) {
                all.spawn([](const python_code& in, auto run, long begin) -> task<> {
                  const long sum = co_await run(in, begin);
                  CHECK(sum == begin + 190);
                }(of, body, i));
              }
              co_return;
            });
          }(code, adds),
          width);
    }
  }

  TEST_CASE("what Python raises arrives with its type, its text and its traceback") {
    start_python();
    const python_code code(
        "def fails(n):\n  return 1 // n\nclass Own(Exception):\n  pass\nasync def fails_too(n):\n  raise Own\n");
    python::run_here([](const python_code& of) -> task<> {
      std::optional<python::error> caught;
      python::handle call = python::spawn(of["fails"], {number(0).get()});
      try {
        co_await call.join();
      } catch (const python::error& error) {
        caught = error;
      }
      REQUIRE(caught);
      CHECK(std::string(caught->what()) == "ZeroDivisionError: integer division or modulo by zero");
      CHECK(std::string(caught->type()) == "ZeroDivisionError");
      python::attach();
      const auto trace = python::reference::take(PyException_GetTraceback(caught->exception()));
      CHECK(trace.get() != nullptr);
      CHECK(call.state() == martlet::status::failed);
      python::handle other = python::spawn(of["fails_too"], {Py_None});
      try {
        co_await other.join();
      } catch (const python::error& error) {
        caught = error;
      }
      CHECK(std::string(caught->what()) == "Own");
    }(code));
  }

  TEST_CASE("martlet's own errors are the same family on both sides") {
    start_python();
    const python_code code(R"(
import martlet

async def stopped():
    raise martlet.Cancelled

def too_late():
    with martlet.timeout(0.001):
        martlet.sleep(3600)

async def closed():
    ends = martlet.channel()
    ends.close()
    await ends.areceive()

async def wrong():
    martlet.sleep(1)
)");
    python::run_here([](const python_code& of) -> task<> {
      const auto thrown = [&of](const char* name) -> task<std::string> {
        python::handle call = python::spawn(of[name]);
        try {
          co_await call.join();
        } catch (const martlet::cancelled&) {
          co_return "cancelled";
        } catch (const martlet::deadline_passed&) {
          co_return "deadline_passed";
        } catch (const martlet::channel_closed&) {
          co_return "channel_closed";
        } catch (const martlet::misuse& error) {
          co_return error.what();
        }
        co_return "nothing";
      };
      CHECK(co_await thrown("stopped") == "cancelled");
      CHECK(co_await thrown("too_late") == "deadline_passed");
      CHECK(co_await thrown("closed") == "channel_closed");
      const std::string said = co_await thrown("wrong");
      CHECK(said.find("sleep() blocks, and inside a coroutine tasklet") == 0);
    }(code));
  }

  TEST_CASE("what run_here gives is what its task gives") {
    start_python();
    CHECK(python::run_here([]() -> task<std::string> { co_return "done"; }()) == "done");
    CHECK(thrown_by<std::runtime_error>([] {
            python::run_here([]() -> task<> {
              co_await martlet::yield();
              throw std::runtime_error("a failure of its own");
            }());
          }) == "a failure of its own");
    int there = 0;
    int& same = python::run_here([](int& what) -> task<int&> { co_return what; }(there));
    CHECK(&same == &there);
  }

  TEST_CASE("a join can be a case of a select, have a limit, and be joined by many") {
    start_python();
    const python_code code(R"(
import martlet

async def wait(until):
    return await until.areceive()

async def join(other):
    return await other + 1
)");
    python::run_here(
        [](const python_code& of) -> task<> {
          python::object_channel until;
          python::handle call = python::spawn(of["wait"], {until.get()});
          const auto first = co_await martlet::select(call.join(), martlet::sleep_for(1ms));
          CHECK(first.index() == 1);
          bool is_late = false;
          try {
            co_await martlet::within(1ms, call.join());
          } catch (const martlet::deadline_passed&) {
            is_late = true;
          }
          CHECK(is_late);
          python::handle other = python::spawn(of["join"], {call.get()});
          auto one_more = martlet::spawn([](python::handle& same) -> task<long> {
            const python::reference value = co_await same.join();
            co_return number_of(value);
          }(call));
          co_await until.send(number(7));
          CHECK(co_await one_more.join() == 7);
          const python::reference value = co_await other.join();
          CHECK(number_of(value) == 8);
          const auto last = co_await martlet::select(call.join(), martlet::sleep_for(1h));
          CHECK(number_of(std::get<0>(last)) == 7);
        }(code),
        2);
  }

  TEST_CASE("a Python tasklet is cancelled from C++, and one that waits for it from anywhere") {
    start_python();
    const python_code code(R"(
import martlet
seen = []

async def wait():
    try:
        await martlet.asleep(3600)
    except martlet.Cancelled:
        seen.append("cancelled")
        raise
)");
    python::run_here([](const python_code& of) -> task<> {
      python::handle call = python::spawn(of["wait"]);
      auto joiner = martlet::spawn([](python::handle& same) -> task<> { co_await same.join(); }(call));
      co_await martlet::sleep_for(1ms);
      joiner.cancel();
      bool was_cancelled = false;
      try {
        co_await joiner.join();
      } catch (const martlet::cancelled&) {
        was_cancelled = true;
      }
      CHECK(was_cancelled);
      CHECK(call.state() == martlet::status::blocked);
      call.cancel();
      was_cancelled = false;
      try {
        co_await call.join();
      } catch (const martlet::cancelled&) {
        was_cancelled = true;
      }
      CHECK(was_cancelled);
      CHECK(text_of(of["seen"]) == "['cancelled']");
    }(code));
  }

  TEST_CASE("the end of the main tasklet stops Python's, then C++'s, and waits for all") {
    start_python();
    const python_code code(R"(
import martlet
ended = []

def wait(kind):
    try:
        martlet.sleep(3600)
    finally:
        ended.append(kind)

async def await_(kind):
    try:
        await martlet.asleep(3600)
    finally:
        with martlet.shield():
            await martlet.asleep(0.001)
        ended.append(kind)
)");
    for (const unsigned width : all_widths) {
      bool cpp_has_ended = false;
      python::run_here(
          [](const python_code& of, bool& ended) -> task<> {
            python::spawn(of["wait"], {text("function").get()});
            python::spawn(of["await_"], {text("coroutine").get()});
            martlet::spawn([](const python_code& in, bool& has_ended) -> task<> {
              try {
                co_await martlet::sleep_for(1h);
              } catch (const martlet::cancelled&) {
                CHECK(PyList_Size(in["ended"]) % 2 == 0);
                has_ended = true;
              }
            }(of, ended));
            co_await martlet::sleep_for(5ms);
          }(code, cpp_has_ended),
          width);
      CHECK(cpp_has_ended);
    }
    CHECK(PyList_Size(code["ended"]) == 6);
  }

  TEST_CASE("what is spawned in Python after the end is refused") {
    start_python();
    const python_code code("def f():\n  pass\n");
    std::string said;
    python::run_here([](const python_code& of, std::string& to) -> task<> {
      martlet::spawn([](const python_code& in, std::string& what) -> task<> {
        try {
          co_await martlet::sleep_for(1h);
        } catch (const martlet::cancelled&) {
          what = thrown_by<martlet::misuse>([&] { python::spawn(in["f"]); });
        }
      }(of, to));
      co_return;
    }(code, said));
    CHECK(said == "spawn(): the run has ended, nothing runs tasklets any more");
  }

  TEST_CASE("SystemExit in a Python tasklet stops the main tasklet and arrives outside") {
    start_python();
    const python_code code("import sys\ndef leave():\n  sys.exit(3)\n");
    bool was_cancelled = false;
    const auto waits = [](const python_code& of, bool& cancelled) -> task<> {
      python::spawn(of["leave"]);
      try {
        co_await martlet::sleep_for(1h);
      } catch (const martlet::cancelled&) {
        cancelled = true;
        throw;
      }
    };
    CHECK(thrown_by<python::error>([&] { python::run_here(waits(code, was_cancelled)); }) == "SystemExit: 3");
    CHECK(was_cancelled);
  }

  TEST_CASE("a worker is detached whenever a tasklet of C++'s has waited") {
    start_python();
    const python_code code("def f():\n  pass\n");
    python::run_here([](const python_code& of) -> task<> {
      auto neighbour = martlet::spawn([]() -> task<> {
        for (int i = 0; i < 100; ++i) {
          CHECK(!is_attached());
          co_await martlet::yield();
        }
      }());
      for (int i = 0; i < 100; ++i) {
        python::attach();
        CHECK(is_attached());
        co_await martlet::yield();
      }
      co_await neighbour.join();
      // And a thread gets the global lock meanwhile.
      python::spawn(of["f"]);
      std::thread other([] { PyGILState_Release(PyGILState_Ensure()); });
      co_await martlet::blocking([&] { other.join(); });
    }(code));
  }

  TEST_CASE("references are dropped anywhere") {
    start_python();
    const python_code code(R"(
import weakref

class Thing:
    pass

def look_at(thing):
    return weakref.ref(thing)
)");
    const auto make = [&code] { return python::reference::take(PyObject_CallNoArgs(code["Thing"])); };
    const auto look_at = [&code](const python::reference& thing) {
      return python::reference::take(PyObject_CallOneArg(code["look_at"], thing.get()));
    };
    const auto is_gone = [](const python::reference& weak) {
      return python::reference::take(PyObject_CallNoArgs(weak.get())).get() == Py_None;
    };
    SUBCASE("in a tasklet that is not attached") {
      python::reference thing = make();
      const python::reference weak = look_at(thing);
      CHECK(!is_gone(weak));
      python::run_here([](python::reference what) -> task<> {
        co_await martlet::yield();
        what = {};
      }(std::move(thing)));
      CHECK(is_gone(weak));
    }
    SUBCASE("in a fiber") {
      python::reference thing = make();
      const python::reference weak = look_at(thing);
      python::run_here([](python::reference what) -> task<> {
        auto drop = [mine = std::move(what)]() mutable {  // g++ 12 destroys twice what is captured inside of a co_await
          martlet::await(martlet::yield());
          mine = {};
        };
        co_await martlet::spawn(std::move(drop));
      }(std::move(thing)));
      CHECK(is_gone(weak));
    }
    SUBCASE("on a thread that knows nothing of Python") {
      python::reference thing = make();
      const python::reference weak = look_at(thing);
      std::thread other([mine = std::move(thing)]() mutable { mine = {}; });
      {
        const detached meanwhile;
        other.join();
      }
      CHECK(is_gone(weak));
    }
  }

  TEST_CASE("a handle tells where in C++ it was spawned") {
    start_python();
    const python_code code("async def f():\n  pass\n");
    std::string place;
    python::run_here([](const python_code& of, std::string& where) -> task<> {
      python::handle call = python::spawn(of["f"]);
      const auto text = python::reference::take(PyObject_GetAttrString(call.get(), "spawned_at"));
      where = text_of(text.get());
      co_return;
    }(code, place));
    CHECK(place.find("embedding_test.cpp:") != std::string::npos);
  }

  TEST_CASE("Python code that a task of C++'s calls is no tasklet: it spawns, and may not block") {
    start_python();
    const python_code code(R"(
import martlet

def call(results):
    assert martlet.current() is None
    martlet.spawn(results.send, 42)
    try:
        martlet.sleep(1)
    except martlet.Misuse as error:
        return str(error)
)");
    python::run_here([](const python_code& of) -> task<> {
      python::object_channel results;
      const auto said = python::reference::take(PyObject_CallOneArg(of["call"], results.get()));
      CHECK(text_of(said.get()).find("what calls it here is no Python tasklet") != std::string::npos);
      const auto sent = co_await results.receive();
      CHECK(number_of(*sent) == 42);
    }(code));
  }
}

TEST_SUITE("embedding, wrong calls") {
  TEST_CASE("attach and spawn need a tasklet of run_here") {
    start_python();
    const python_code code("def f():\n  pass\n");
    const auto attaches = [] { return thrown_by<martlet::misuse>([] { python::attach(); }); };
    const auto spawns = [&] { return thrown_by<martlet::misuse>([&] { python::spawn(code["f"]); }); };
    CHECK(attaches().starts_with("attach: this thread runs no tasklets of a martlet::python::run_here"));
    CHECK(spawns().starts_with("spawn: this thread runs no tasklets of a martlet::python::run_here"));
    martlet::scheduler elsewhere(1);
    const detached meanwhile;
    CHECK(elsewhere.block_on(elsewhere.spawn(attaches)).starts_with("attach: this thread runs no tasklets"));
    CHECK(elsewhere.block_on(elsewhere.spawn(attaches)).starts_with("attach: this thread runs no tasklets"));
  }

  TEST_CASE("a null pointer is no function, and no argument") {
    start_python();
    const python_code code("def f(x):\n  pass\n");
    python::run_here([](const python_code& of) -> task<> {
      CHECK(thrown_by<martlet::misuse>([] {
              python::spawn(nullptr);
            }).starts_with("spawn: expected a Python function"));
      CHECK(thrown_by<martlet::misuse>([&] { python::spawn(of["f"], {nullptr}); }).ends_with("among them"));
      CHECK(thrown_by<python::error>([] { python::spawn(Py_None); }) ==
            "TypeError: spawn: a tasklet runs a coroutine or a function; found NoneType");
      co_return;
    }(code));
  }

  TEST_CASE("run_here inside of a tasklet is refused, and a number of threads that cannot be") {
    start_python();
    const auto nothing = []() -> task<> { co_return; };
    CHECK(thrown_by<martlet::misuse>([&] {
            python::run_here([](auto inner) -> task<> {
              python::run_here(inner());
              co_return;
            }(nothing));
          }) == "run_here(): this thread runs tasklets already; spawn another one, or await it");
    CHECK(thrown_by<python::error>([&] { python::run_here(nothing(), 5000); }) ==
          "ValueError: run(): workers is how many threads run tasklets, from 1 to 4096; found 5000");
  }

  TEST_CASE("a null reference that Python did not explain is refused") {
    start_python();
    CHECK(thrown_by<martlet::misuse>([] {
            python::reference::take(nullptr);
          }).starts_with("throw_raised: Python has raised nothing on this thread"));
  }
}

}  // namespace
