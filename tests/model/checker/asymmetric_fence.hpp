#pragma once

#include "execution.hpp"

/// What base/asymmetric_fence.hpp is in a program that the checker explores.
namespace martlet::base {

namespace detail {

struct asymmetry {
  bool load(std::memory_order) const noexcept { return model::execution::has_membarrier(); }
};
inline constexpr asymmetry fences_are_asymmetric;

}  // namespace detail

inline void prepare_asymmetric_fences() noexcept {}

inline void full_fence(model::site at = model::site::here()) noexcept { model::execution::current().full_fence(at); }
inline void compiler_fence(model::site at = model::site::here()) noexcept {
  model::execution::current().compiler_fence(at);
}
inline void light_fence(model::site at = model::site::here()) noexcept { model::execution::current().light_fence(at); }
inline void heavy_fence(model::site at = model::site::here()) noexcept { model::execution::current().heavy_fence(at); }

}  // namespace martlet::base
