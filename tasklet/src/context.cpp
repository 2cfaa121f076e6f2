#include <martlet/tasklet/context.hpp>

#include <utility>

#include <cxxabi.h>

#if MARTLET_HAS_NATIVE_SWITCH
#include "control_bits_x86_64.hpp"
#endif

namespace martlet::detail {

carrier::carrier() noexcept : exceptions_(reinterpret_cast<exception_globals*>(abi::__cxa_get_globals())) {
  note_control_bits();
}

void carrier::note_control_bits() noexcept {
#if MARTLET_HAS_NATIVE_SWITCH
  control_bits_ = read_control_bits();
#endif
}

void flow_state::reset([[maybe_unused]] stack_span stack) noexcept {
  exceptions_ = {};
#if MARTLET_ASAN
  base::unpoison(stack.low, stack.size());  // frames that were left for good never took their poison away
  stack_ = stack;
  fake_stack_ = nullptr;
#endif
#if MARTLET_TSAN
  tsan_fiber_ = nullptr;
  is_finished_ = false;
#endif
}

void flow_state::swap_exceptions() noexcept { std::swap(*carrier_->exceptions_, exceptions_); }

}  // namespace martlet::detail
