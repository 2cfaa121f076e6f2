// A server in C++ whose requests Python answers (embed_python.py): tasklets of both languages on one scheduler.
//
//   PYTHONPATH=interpreter_bindings:docs/examples ./example-embed_python 127.0.0.1:7000
//   and then, elsewhere:   nc 127.0.0.1 7000       and say:   greet Ada
#include <martlet/python.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <variant>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

namespace python = martlet::python;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;
using python::reference;

reference to_python(std::string_view text) {
  return reference::take(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

std::string from_python(const reference& text) {
  const char* words = PyUnicode_AsUTF8(text.get());
  if (words == nullptr) python::throw_raised();
  return words;
}

struct server {
  reference handlers;           // a dict of Python functions, by what they are asked for with
  python::object_channel seen;  // what was asked for, for Python's statistics
};

struct connection {
  stream peer;
  std::array<char, 4096> in;
  std::size_t have = 0;

  auto more() { return peer.read_some(std::as_writable_bytes(std::span(in).subspan(have))); }
};

// [ask]
// Has a Python tasklet answer; gives nothing when the client goes away meanwhile.
martlet::task<std::optional<std::string>> answer(server& s, connection& from, std::string line) {
  python::attach();
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string command = line.substr(0, space);
  PyObject* handler = PyDict_GetItemString(s.handlers.get(), command.c_str());
  if (handler == nullptr) co_return "error: nobody knows how to " + command;
  const reference argument = to_python(std::string_view(line).substr(std::min(space + 1, line.size())));
  python::handle call = python::spawn(handler, {argument.get()});
  co_await s.seen.send(to_python(command));
  try {
    for (;;) {
      const auto first = co_await martlet::select(call.join(), from.more());
      if (first.index() == 0) co_return from_python(std::get<0>(first));  // a join leaves its worker attached
      if (std::get<1>(first) == 0) break;
      from.have += std::get<1>(first);
    }
  } catch (const std::system_error&) {  // it went without a word
  } catch (const martlet::cancelled&) {
    throw;
  } catch (const std::exception& error) {  // what Python raised
    co_return std::string("error: ") + error.what();
  }
  call.cancel();
  try {
    co_await call.join();  // it is given time to clean up
  } catch (const martlet::cancelled&) {}
  co_return std::nullopt;
}
// [end]

// Takes the first line out of what was read; nothing when the client is gone, or talks and does not come to an end.
martlet::task<std::optional<std::string>> next_line(connection& from) {
  for (;;) {
    const std::string_view text(from.in.data(), from.have);
    if (const std::size_t end = text.find('\n'); end != text.npos) {
      std::string line(text.substr(0, end));
      from.have -= end + 1;
      std::memmove(from.in.data(), from.in.data() + end + 1, from.have);
      co_return line;
    }
    const std::size_t count = co_await from.more();
    if (count == 0) co_return std::nullopt;
    from.have += count;
  }
}

martlet::task<> serve(server& s, stream peer) {
  connection here{.peer = std::move(peer), .in = {}};
  try {
    while (auto line = co_await next_line(here)) {
      auto said = co_await answer(s, here, std::move(*line));
      if (!said) co_return;
      *said += '\n';
      co_await here.peer.write_all(std::as_bytes(std::span(*said)));
    }
  } catch (const std::system_error&) {  // the client went away in the middle of something
  }
}

// [main]
martlet::task<> serve_all(listener& door) {
  python::attach();
  const reference module = reference::take(PyImport_ImportModule("embed_python"));
  server s{.handlers = reference::take(PyObject_GetAttrString(module.get(), "HANDLERS")),
           .seen = python::object_channel(64)};
  python::object_channel report;
  const reference count = reference::take(PyObject_GetAttrString(module.get(), "count"));
  python::spawn(count.get(), {s.seen.get(), report.get()});

  std::printf("listening on %s\n", door.local_endpoint().to_string().c_str());
  std::fflush(stdout);
  co_await martlet::in_scope([&](martlet::scope& clients) -> martlet::task<> {
    try {
      for (;;) clients.spawn(serve(s, co_await door.accept()));
    } catch (const martlet::net::socket_closed&) {  // the process was asked to stop
      clients.cancel();
    }
  });
  s.seen.close();
  const auto counted = co_await report.receive();
  python::attach();
  std::printf("%s\n", from_python(*counted).c_str());
}
// [end]

// Closes the door when the process is asked to stop, and at its own end.
class doorkeeper {
 public:
  doorkeeper(listener& door, const sigset_t& stops)
      : thread_([&door, stops] {
          int which = 0;
          sigwait(&stops, &which);
          door.close();
        }) {}
  ~doorkeeper() {
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

 private:
  std::thread thread_;
};

int main(int count, char** arguments) try {
  sigset_t stops{};
  for (const int stop : {SIGINT, SIGTERM}) sigaddset(&stops, stop);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // before there are other threads
  listener door(count > 1 ? endpoint::parse(arguments[1]) : endpoint::localhost(0));
  Py_InitializeEx(0);  // signals are for the doorkeeper
  {
    const doorkeeper watches(door, stops);
    python::run_here(serve_all(door));
  }
  return Py_FinalizeEx() == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "embed_python: %s\n", error.what());
  return 2;
}
