#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace martlet::detail {

/// Keeps what a function returned, a value or a reference, until somebody may have it.
template <class T>
class kept_result {
 public:
  template <class U>
  void keep(U&& value) {
    if constexpr (std::is_reference_v<T>) {
      value_ = std::addressof(value);
    } else {
      value_.emplace(std::forward<U>(value));
    }
  }

  /// Takes it, once, after `keep`.
  T take() {
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else {
      return std::move(*value_);
    }
  }

 private:
  std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, std::optional<std::remove_cv_t<T>>> value_{};
};

template <>
class kept_result<void> {
 public:
  void take() noexcept {}
};

}  // namespace martlet::detail
