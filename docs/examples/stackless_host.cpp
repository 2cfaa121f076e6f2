// A game in C++ whose people are scripts in Python (stackless_host.py): each is a tasklet of martlet.stackless, and in a frame all of
// them together get so much time and no more. A script that fails or does not come to an end is stopped; the game goes on.
//
//   PYTHONPATH=interpreter_bindings:docs/examples ./example-stackless_host
#include <martlet/stackless.h>
#include <martlet/python.hpp>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct drop {
  void operator()(PyObject* one) const { Py_DECREF(one); }
};
using owned = std::unique_ptr<PyObject, drop>;

// What Python raises in the game's own calls ends the game.
[[noreturn]] void give_up() {
  PyErr_Print();
  throw std::runtime_error("the game cannot go on");
}

owned take(PyObject* one) {
  if (one == nullptr) give_up();
  return owned(one);
}

int check(int answer) {
  if (answer < 0) give_up();
  return answer;
}

// What a script says may be anything.
std::string text_of(PyObject* said) {
  const char* text = said != nullptr ? PyUnicode_AsUTF8(said) : nullptr;
  PyErr_Clear();
  return text != nullptr ? text : "says what is no text";
}

struct person {
  std::string name;
  owned happens;  // what the game tells
  owned says;     // what the game is told
  owned tasklet;
  int late = 0;  // in how many frames it was still at work when the time was over
};

class game {
 public:
  game() : stackless_(martlet_stackless_import()) {
    if (stackless_ == nullptr) give_up();
    scripts_ = take(PyImport_ImportModule("stackless_host"));
    const owned handler = take(stackless_->callable_new(&failed, this, nullptr));
    take(stackless_->set_error_handler(handler.get()));
  }
  ~game() { Py_XDECREF(stackless_->set_error_handler(nullptr)); }

  // [join]
  void join(const char* name) {
    person one{.name = name,
               .happens = take(stackless_->queue_channel_new()),
               .says = take(stackless_->queue_channel_new()),
               .tasklet = nullptr};
    const owned script = take(PyObject_GetAttrString(scripts_.get(), name));
    const owned arguments = take(PyTuple_Pack(2, one.happens.get(), one.says.get()));
    one.tasklet = take(stackless_->tasklet_spawn(script.get(), arguments.get(), nullptr));
    people_.push_back(std::move(one));
  }

  // It never waits: a queue keeps what nobody has received.
  void tell(const char* name, const char* event) {
    for (const person& one : people_) {
      if (one.name == name) {
        const owned text = take(PyUnicode_FromString(event));
        check(stackless_->channel_send(one.happens.get(), text.get()));
      }
    }
  }
  // [end]

  // [frame]
  void frame() {
    ++number_;
    for (person& one : people_) {
      if (one.tasklet == late_) go_on_or_stop(one);
    }
    late_ = take(stackless_->run(bytecodes_in_a_frame, MARTLET_STACKLESS_TOTAL_TIMEOUT));
    for (const person& one : people_) listen(one);
  }

  // Who was late goes on behind those that have been told something since; when that has happened too often, with
  // TaskletExit. A script that catches even that is late once more.
  void go_on_or_stop(person& one) {
    if (++one.late < patience) {
      check(stackless_->tasklet_insert(one.tasklet.get()));
    } else {
      std::printf("frame %d: the %s is stopped\n", number_, one.name.c_str());
      check(stackless_->tasklet_kill(one.tasklet.get(), 1));
    }
  }

  void listen(const person& from) {
    while (stackless_->channel_get_balance(from.says.get()) > 0) {
      const owned text = take(stackless_->channel_receive(from.says.get()));
      std::printf("frame %d: the %s %s\n", number_, from.name.c_str(), text_of(text.get()).c_str());
    }
  }
  // [end]

  void end() {
    for (const person& one : people_) {
      if (check(stackless_->tasklet_alive(one.tasklet.get())) != 0) {
        check(stackless_->channel_send_exception(one.happens.get(), PyExc_StopIteration, nullptr));  // ends its loop
      }
    }
    frame();
    std::printf("%d is runnable: the game\n", check(stackless_->get_run_count()));
  }

 private:
  // [error]
  // Runs in the tasklet that an error has left.
  static PyObject* failed(void* data, PyObject* error) {
    const game& self = *static_cast<game*>(data);
    const owned who(self.stackless_->get_current());
    for (const person& one : self.people_) {
      if (one.tasklet == who) std::printf("frame %d: the %s has failed: ", self.number_, one.name.c_str());
    }
    const owned text(PyObject_Repr(PyTuple_GetItem(error, 1)));
    std::printf("%s\n", text_of(text.get()).c_str());
    Py_RETURN_NONE;
  }
  // [end]

  static constexpr long bytecodes_in_a_frame = 20'000;
  static constexpr int patience = 3;

  const martlet_stackless_api* stackless_;
  owned scripts_;
  std::vector<person> people_;
  owned late_;  // who was at work when the last frame was over
  int number_ = 0;
};

void play() {
  game world;
  for (const char* name : {"guard", "merchant", "philosopher"}) world.join(name);
  world.tell("guard", "steps");
  world.tell("merchant", "apple");
  world.tell("philosopher", "the steps");
  world.frame();
  world.tell("merchant", "pear");
  world.tell("merchant", "plum");  // nobody sells it any more
  world.frame();
  world.tell("guard", "a silence");
  world.frame();
  world.frame();
  world.end();
}

int main() try {
  Py_InitializeEx(0);
  martlet::python::install();  // what is native of martlet is in this program; without this it would be imported, too
  play();
  return Py_FinalizeEx() == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "stackless_host: %s\n", error.what());
  return 2;
}
