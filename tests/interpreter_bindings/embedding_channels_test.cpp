#include <martlet/python.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/martlet.hpp>

#include "python_code.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
namespace python = martlet::python;
using martlet::task;

constexpr unsigned all_widths[] = {1, 2, 4};
constexpr long count = scaled(2000);

// Sends 0, 1, ... and closes.
task<> send_numbers(python::object_channel& to) {
  for (long i = 0; i < count; ++i) {
    co_await to.send(number(i));
  }
  to.close();
}

task<std::vector<long>> receive_numbers(python::object_channel& from) {
  std::vector<long> all;
  for (;;) {
    const auto value = co_await from.receive();
    if (!value) {
      co_return all;
    }
    all.push_back(number_of(*value));
  }
}

std::vector<long> numbers() {
  std::vector<long> all;
  for (long i = 0; i < count; ++i) {
    all.push_back(i);
  }
  return all;
}

TEST_SUITE("object_channel") {
  TEST_CASE("both languages send to each other, in order, whatever the capacity") {
    start_python();
    const python_code code(R"(
def forward(source, to):
    for value in source:
        to.send(value)
    to.close()

async def aforward(source, to):
    async for value in source:
        await to.asend(value)
    to.close()
)");
    for (const unsigned width : all_widths) {
      for (const std::size_t capacity : {0, 1, 64}) {
        for (const char* forwards : {"forward", "aforward"}) {
          const auto seen = python::run_here(
              [](const python_code& of, const char* name, std::size_t room) -> task<std::vector<long>> {
                python::object_channel there(room);
                python::object_channel back(room);
                python::handle between = python::spawn(of[name], {there.get(), back.get()});
                auto sender = martlet::spawn(send_numbers(there));
                auto all = co_await receive_numbers(back);
                co_await sender.join();
                co_await between.join();
                co_return all;
              }(code, forwards, capacity),
              width);
          CHECK(seen == numbers());
        }
      }
    }
  }

  TEST_CASE("fibers send and receive too") {
    start_python();
    python::run_here([]() -> task<> {
      python::object_channel there;
      auto sender = martlet::spawn([&there] {
        for (long i = 0; i < 10; ++i) {
          martlet::await(there.send(number(i)));
        }
        there.close();
      });
      auto receiver = martlet::spawn([&there] {
        long sum = 0;
        while (auto value = martlet::await(there.receive())) {
          sum += number_of(*value);
        }
        return sum;
      });
      co_await sender.join();
      CHECK(co_await receiver.join() == 45);
    }());
  }

  TEST_CASE("a closed channel ends both sides") {
    start_python();
    const python_code code(R"(
import martlet

def receive(source):
    return [*source]

def send(to):
    try:
        to.send(1)
    except martlet.ChannelClosed:
        return "closed"
)");
    python::run_here([](const python_code& of) -> task<> {
      python::object_channel values;
      python::handle receiver = python::spawn(of["receive"], {values.get()});
      co_await values.send(number(1));
      values.close();
      const python::reference all = co_await receiver.join();
      CHECK(text_of(all.get()) == "[1]");
      bool was_closed = false;
      try {
        co_await values.send(number(2));
      } catch (const martlet::channel_closed&) {
        was_closed = true;
      }
      CHECK(was_closed);
      const auto nothing = co_await values.receive();
      CHECK(!nothing);
      python::handle sender = python::spawn(of["send"], {values.get()});
      const python::reference said = co_await sender.join();
      CHECK(text_of(said.get()) == "closed");
    }(code));
  }

  TEST_CASE("a value that a cancelled send did not send is dropped") {
    start_python();
    const python_code code(R"(
import weakref

class Thing:
    pass

def look_at(thing):
    return weakref.ref(thing)
)");
    python::reference thing = python::reference::take(PyObject_CallNoArgs(code["Thing"]));
    const auto weak = python::reference::take(PyObject_CallOneArg(code["look_at"], thing.get()));
    python::run_here([](python::reference what) -> task<> {
      python::object_channel nobody_receives;
      auto sender = martlet::spawn([](python::object_channel& to, python::reference value) -> task<> {
        co_await to.send(std::move(value));
      }(nobody_receives, std::move(what)));
      co_await martlet::sleep_for(1ms);
      sender.cancel();
      bool was_cancelled = false;
      try {
        co_await sender.join();
      } catch (const martlet::cancelled&) {
        was_cancelled = true;
      }
      CHECK(was_cancelled);
    }(std::move(thing)));
    CHECK(python::reference::take(PyObject_CallNoArgs(weak.get())).get() == Py_None);
  }

  TEST_CASE("a channel that Python made is used from C++, also one that carries copies") {
    start_python();
    const python_code code("import martlet\ndef make(isolated):\n  return martlet.channel(2, isolated=isolated)\n");
    python::run_here([](const python_code& of) -> task<> {
      for (PyObject* isolated : {Py_False, Py_True}) {
        python::attach();
        python::object_channel values(python::reference::take(PyObject_CallOneArg(of["make"], isolated)));
        python::reference sent = text("a text that is longer than a pointer");
        PyObject* const which = sent.get();
        co_await values.send(std::move(sent));
        const auto got = co_await values.receive();
        REQUIRE(got);
        CHECK(text_of(got->get()) == "a text that is longer than a pointer");
        CHECK((got->get() == which) == (isolated == Py_False));
        if (isolated == Py_True) {
          bool was_refused = false;
          python::object_channel plain;
          try {
            co_await values.send(python::reference::share(plain.get()));
          } catch (const martlet::misuse&) {
            was_refused = true;
          }
          CHECK(was_refused);
        }
      }
    }(code));
  }

  TEST_CASE("something else is no channel") {
    start_python();
    CHECK(thrown_by<martlet::misuse>([] { python::object_channel wrong(number(1)); }) ==
          "object_channel: expected a martlet.channel, found an object of type int");
  }

  // A collector that counts a value where it lies, and looks again when the value has gone, takes it for garbage. CPython's then
  // ends what refers weakly to it, before it counts once more.
  TEST_CASE("a collector never sees a value between two places") {
    start_python();
    const python_code code(R"(
import weakref

class Ring:
    def __init__(self):
        self.itself = self
        self.weakly = weakref.ref(self)

def is_whole(ring):
    return ring.itself is ring and ring.weakly() is ring
)");
    const auto collect = [] {
      for (int i = 0; i < scaled(100); ++i) {
        const PyGILState_STATE before = PyGILState_Ensure();
        PyGC_Collect();
        PyGILState_Release(before);
      }
    };
    // Moves rings to and fro until the channels are closed, and takes then what is left.
    const auto move = [](const python_code& of, python::object_channel& from, python::object_channel& to) -> task<int> {
      int whole = 0;
      for (;;) {
        co_await martlet::sleep_for(200us);  // a collection is probably under way
        auto ring = co_await from.receive();
        if (!ring) {
          co_return whole;
        }
        const bool is_whole =
            python::reference::take(PyObject_CallOneArg(of["is_whole"], ring->get())).get() == Py_True;
        bool is_over = false;
        try {
          co_await to.send(std::move(*ring));
        } catch (const martlet::channel_closed&) {
          is_over = true;
        }
        CHECK(is_whole);
        whole += is_over && is_whole ? 1 : 0;
      }
    };
    const int whole = python::run_here(
        [](const python_code& of, auto collects, auto moves) -> task<int> {
          python::object_channel one(8);
          python::object_channel other(8);
          for (int i = 0; i < 8; ++i) {
            co_await one.send(python::reference::take(PyObject_CallNoArgs(of["Ring"])));
          }
          std::thread collector(collects);
          auto there = martlet::spawn(moves(of, one, other));
          auto back = martlet::spawn(moves(of, other, one));
          co_await martlet::blocking([&] { collector.join(); });
          one.close();
          other.close();
          const int left_there = co_await there.join();
          co_return left_there + co_await back.join();
        }(code, collect, move),
        2);
    CHECK(whole == 8);
  }
}

}  // namespace
