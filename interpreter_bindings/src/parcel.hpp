#pragma once

#include "cargo.hpp"

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <martlet/base/spin_lock.hpp>
#include <martlet/channel/channel.hpp>

namespace martlet::python {

struct module_state;

/// Where the buffers of one interpreter come home that others were given: only their owner may release them.
class buffer_home {
 public:
  /// Counts one that goes away, or stays after all. Throws std::bad_alloc.
  void lend();
  void stays() noexcept;

  /// Takes one back.
  ///
  /// Threads   any, attached to whatever interpreter or to none.
  void give_back(const Py_buffer& view) noexcept;

  /// Releases what has come home.
  ///
  /// Threads   attached to the owner.
  /// Returns   how many are still away.
  std::size_t release_returned();

  /// Forgets all: the owner ends, and its memory with it.
  void close() noexcept;

 private:
  base::spin_lock lock_;
  std::vector<Py_buffer> returned_;  // under the lock, as all below
  std::size_t away_ = 0;
  bool is_closed_ = false;
};

/// The memory of an object that stays with its interpreter while another one reads it.
class lent_buffer {
 public:
  lent_buffer() noexcept = default;
  lent_buffer(const lent_buffer&) = delete;
  lent_buffer& operator=(const lent_buffer&) = delete;
  ~lent_buffer() {
    if (home_ != nullptr) {
      home_->give_back(view_);
    }
  }

  /// Takes the memory of an object, which keeps it until this one is gone. Once.
  ///
  /// Returns   false with a BufferError or a TypeError set.
  bool lend(PyObject* of, const std::shared_ptr<buffer_home>& home);

  const Py_buffer& view() const noexcept { return view_; }

 private:
  std::shared_ptr<buffer_home> home_;
  Py_buffer view_{};
};

/// A value on its way from one interpreter to another: what pickle wrote of it, and beside it what crosses as it is.
struct parcel {
  using item = std::variant<std::shared_ptr<channel<cargo>>, std::unique_ptr<lent_buffer>, std::unique_ptr<parcel>>;

  std::string pickled;
  std::vector<item> items;
};

/// Packs a value, of any kind that can cross. Runs Python, so it is called where no lock is held.
///
/// Takes     what `martlet._crossing.pack` takes; or a `martlet._martlet.parcel`, which is empty afterwards.
/// Returns   null with Misuse set when it cannot cross.
std::unique_ptr<parcel> pack(module_state& state, PyObject* value);

/// Makes the value again, in the interpreter that the thread is attached to.
///
/// Returns   a new reference, null with an exception set: a module that cannot be imported there, say.
PyObject* unpack(module_state& state, std::unique_ptr<parcel> from);

}  // namespace martlet::python
