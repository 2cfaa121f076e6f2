#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// Returns   the exception that a pointer leads to, as an address only.
inline const void* address_of(const std::exception_ptr& error) noexcept {
  return *reinterpret_cast<const void* const*>(&error);  // all that it consists of, in libstdc++ and libc++
}

/// A tasklet's record with room for what it returns or throws. A task's promise and a fiber's block derive from it.
template <class T>
class outcome : public tasklet {
  using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>;
  static_assert(alignof(stored) <= 16, "a result aligned to more than 16 bytes would move the record in its frame");

 public:
  explicit outcome(kind what) noexcept : tasklet(what) {}
  ~outcome() {
    switch (has_) {
      case has::nothing: break;
      case has::value: std::destroy_at(&value_); break;
      case has::error:
        base::tsan_may_free(address_of(error_));
        std::destroy_at(&error_);
        break;
    }
  }

  template <class U>
  void set_value(U&& value) {
    if constexpr (std::is_reference_v<T>) {
      std::construct_at(&value_, std::addressof(value));
    } else {
      std::construct_at(&value_, std::forward<U>(value));
    }
    has_ = has::value;
  }

  void set_error(std::exception_ptr error) noexcept {
    if (has_ == has::value) {  // a return value, and then a destructor that threw
      std::destroy_at(&value_);
    }
    std::construct_at(&error_, std::move(error));
    has_ = has::error;
  }

  bool has_error() const noexcept { return has_ == has::error; }
  const std::exception_ptr& error() const noexcept { return error_; }

  /// Returns   the value, moved out.
  /// Throws    what the tasklet threw, which it no longer owes to anybody.
  T take() {
    if (has_ == has::error) [[unlikely]] {
      owes_error_ = false;
      std::rethrow_exception(error_);
    }
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else {
      return std::move(value_);
    }
  }

 private:
  enum class has : unsigned char { nothing, value, error };

  union {
    stored value_;
    std::exception_ptr error_;
  };
  has has_ = has::nothing;
};

template <>
class outcome<void> : public tasklet {
 public:
  explicit outcome(kind what) noexcept : tasklet(what) {}
  ~outcome() { base::tsan_may_free(address_of(error_)); }

  void set_value() noexcept {}
  void set_error(std::exception_ptr error) noexcept { error_ = std::move(error); }
  bool has_error() const noexcept { return error_ != nullptr; }
  const std::exception_ptr& error() const noexcept { return error_; }

  void take() {
    if (error_ != nullptr) [[unlikely]] {
      owes_error_ = false;
      std::rethrow_exception(error_);
    }
  }

 private:
  std::exception_ptr error_;
};

}  // namespace martlet::detail
