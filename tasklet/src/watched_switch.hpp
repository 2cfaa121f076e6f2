#pragma once

#include <utility>

#include <martlet/tasklet/context.hpp>

// How a switch is announced to the sanitizers. Inlined even without optimisation, and the last thing before the switch:
// between the announcement and the switch TSan takes every function's beginning and end for the other stack's.
namespace martlet::detail {

[[gnu::always_inline]] inline void flow_state::will_enter([[maybe_unused]] void*& fake_stack) noexcept {
#if MARTLET_ASAN
  base::asan_will_switch(&fake_stack, stack_.low, stack_.size());
#endif
#if MARTLET_TSAN
  if (tsan_fiber_ == nullptr) {
    tsan_fiber_ = base::tsan_create_fiber();
  }
  base::tsan_will_switch(tsan_fiber_);
#endif
}

[[gnu::always_inline]] inline void flow_state::has_returned([[maybe_unused]] void* fake_stack) noexcept {
#if MARTLET_ASAN
  base::asan_has_switched(fake_stack, nullptr, nullptr);
#endif
#if MARTLET_TSAN
  if (is_finished_) {  // of the flow that has left, which need not be the one that was entered from here
    base::tsan_destroy_fiber(std::exchange(tsan_fiber_, nullptr));
  }
#endif
}

[[gnu::always_inline]] inline void flow_state::will_leave([[maybe_unused]] bool for_good) noexcept {
#if MARTLET_ASAN
  base::asan_will_switch(for_good ? nullptr : &fake_stack_, carrier_->stack_.low, carrier_->stack_.size());
#endif
#if MARTLET_TSAN
  is_finished_ = for_good;
  base::tsan_will_switch(carrier_->tsan_fiber_);
#endif
}

[[gnu::always_inline]] inline void flow_state::will_hand_over([[maybe_unused]] flow_state& next) noexcept {
#if MARTLET_ASAN
  base::asan_will_switch(&fake_stack_, next.stack_.low, next.stack_.size());
#endif
#if MARTLET_TSAN
  if (next.tsan_fiber_ == nullptr) {
    next.tsan_fiber_ = base::tsan_create_fiber();
  }
  base::tsan_will_switch(next.tsan_fiber_);
#endif
}

[[gnu::always_inline]] inline void flow_state::has_entered() noexcept {
#if MARTLET_ASAN
  const void* low = nullptr;
  std::size_t bytes = 0;
  base::asan_has_switched(fake_stack_, &low, &bytes);
  if (carrier_->left_ == nullptr) {  // from the carrier's own stack
    auto* first = static_cast<std::byte*>(const_cast<void*>(low));
    carrier_->stack_ = {.low = first, .top = first + bytes};
  }
#endif
}

}  // namespace martlet::detail
