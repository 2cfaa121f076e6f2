#pragma once

#include "object.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace martlet::python {

struct parcel;

/// What a channel carries: an object of the interpreter, or, in an isolated channel, a parcel, which belongs to none.
///
/// It is one word, and the channels of a single interpreter pay nothing for the others. What is said of `object` holds for
/// one that has an object; a parcel may be dropped anywhere.
class cargo {
 public:
  cargo() noexcept = default;
  explicit cargo(object value) noexcept : bits_(reinterpret_cast<std::uintptr_t>(value.release())) {}
  explicit cargo(std::unique_ptr<parcel> value) noexcept;
  cargo(cargo&& other) noexcept : bits_(std::exchange(other.bits_, 0)) {}
  cargo& operator=(cargo&& other) noexcept {
    cargo(std::move(other)).swap(*this);
    return *this;
  }
  ~cargo() {
    if (is_parcel()) [[unlikely]] {
      drop_parcel();
    } else {
      Py_XDECREF(get());
    }
  }

  bool is_parcel() const noexcept { return (bits_ & is_parcel_bit) != 0; }

  /// Returns   the object, borrowed; null when there is none.
  PyObject* get() const noexcept { return is_parcel() ? nullptr : reinterpret_cast<PyObject*>(bits_); }

  object take_object() noexcept { return object::take(reinterpret_cast<PyObject*>(std::exchange(bits_, 0))); }
  std::unique_ptr<parcel> take_parcel() noexcept;

 private:
  static constexpr std::uintptr_t is_parcel_bit = 1;

  void swap(cargo& other) noexcept { std::swap(bits_, other.bits_); }
  void drop_parcel() noexcept;

  std::uintptr_t bits_ = 0;
};

}  // namespace martlet::python
