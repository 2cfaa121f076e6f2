#pragma once

#include <martlet/python/reference.hpp>

#include <cstddef>
#include <optional>

#include <martlet/tasklet/task.hpp>

namespace martlet::python {

/// A `martlet.channel` on the side of C++: carries Python objects between tasklets of both languages.
///
/// ```cpp
/// python::object_channel lines(16);
/// python::spawn(reader.get(), {lines.get()});              // Python: for line in lines
/// co_await lines.send(python::reference::take(PyUnicode_FromString("a")));
/// lines.close();
/// ```
///
/// Both operations attach the worker before they begin, since a collector may not look while an object changes hands. So they
/// are tasks, which `within` gives a limit, and no cases of a `select`. Keep the channel until they have ended.
class object_channel {
 public:
  /// Makes one.
  ///
  /// Takes     how many values it holds that nobody has received yet; 0: sender and receiver meet.
  /// Throws    as `install`, and std::bad_alloc.
  /// Threads   tasklets of `run_here`, and attached threads.
  explicit object_channel(std::size_t capacity = 0);

  /// Takes one that Python has made. Throws misuse when it is something else.
  explicit object_channel(reference of);

  /// Sends a value.
  ///
  /// Throws    channel_closed; cancelled; misuse for what an isolated channel cannot carry.
  /// Suspends  while there is neither a receiver nor room. In a fiber: `martlet::await(lines.send(...))`.
  task<> send(reference value);

  /// Receives the next value.
  ///
  /// Returns   nothing when the channel is closed and empty.
  /// Throws    cancelled.
  /// Suspends  while there is nothing to receive.
  task<std::optional<reference>> receive();

  /// Ends the sending: waiting senders raise ChannelClosed, receivers get what is left. Never suspends. Threads any.
  void close() noexcept;

  /// Returns   Python's channel, borrowed.
  PyObject* get() const noexcept { return object_.get(); }

 private:
  reference object_;
};

}  // namespace martlet::python
