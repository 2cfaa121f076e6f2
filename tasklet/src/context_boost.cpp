#include <martlet/tasklet/context.hpp>

#include <utility>

#include <boost/context/detail/fcontext.hpp>

#include <martlet/base/check.hpp>

#include "watched_switch.hpp"

namespace martlet::detail {

namespace fcontext = boost::context::detail;

// What goes along with a jump: where the side that is entered keeps the side that was left.
struct boost_context::jump {
  void** left;
  boost_context* entered;  // null: the carrier

  // Both inlined even without optimisation, for TSan's sake: see watched_switch.hpp.
  [[gnu::always_inline]] void go(void* to) noexcept { arrived(fcontext::jump_fcontext(to, this)); }

  [[gnu::always_inline]] static jump& arrived(fcontext::transfer_t from) noexcept {
    auto& here = *static_cast<jump*>(from.data);
    *here.left = from.fctx;
    return here;
  }

  static void start(fcontext::transfer_t from) noexcept {
    boost_context& flow = *arrived(from).entered;
    const function entry = std::exchange(flow.then_, nullptr);
    void* argument = flow.then_argument_;
    flow.has_entered();
    flow.release_left();
    entry(argument);
    base::fatal("the entry function of a fiber returned; it has to end with context::finish");
  }
};

void boost_context::place(stack_span stack, function entry, void* argument) noexcept {
  reset(stack);
  then_ = entry;
  then_argument_ = argument;
  suspended_ = fcontext::make_fcontext(stack.top, stack.size(), &jump::start);
}

void boost_context::depart(function then, void* argument) noexcept {
  then_ = then;
  then_argument_ = argument;
  exchange_exceptions();
  carrier_->left_ = this;
}

// The flow that handed the thread over to this one has left its stack.
void boost_context::release_left() noexcept {
  if (auto* left = static_cast<boost_context*>(std::exchange(carrier_->left_, nullptr)); left != nullptr) {
    left->then_(left->then_argument_);  // from here on that flow may run elsewhere
  }
}

void boost_context::resume(carrier& here) noexcept {
  carrier_ = &here;
  exchange_exceptions();
  void* fake_stack = nullptr;
  jump to{.left = &here.stack_pointer_, .entered = this};
  will_enter(fake_stack);
  to.go(suspended_);
  auto* left = static_cast<boost_context*>(std::exchange(here.left_, nullptr));
  left->has_returned(fake_stack);
  if (left->then_ != nullptr) {
    const function then = std::exchange(left->then_, nullptr);
    then(left->then_argument_);  // from here on the flow may run elsewhere, or be gone
  }
}

void boost_context::suspend(function then, void* argument) noexcept {
  depart(then, argument);
  jump to{.left = &suspended_, .entered = nullptr};
  will_leave(false);
  to.go(carrier_->stack_pointer_);
  has_entered();
  release_left();
}

void boost_context::hand_over(boost_context& next, function then, void* argument) noexcept {
  depart(then, argument);
  next.carrier_ = carrier_;
  next.exchange_exceptions();
  jump to{.left = &suspended_, .entered = &next};
  will_hand_over(next);
  to.go(next.suspended_);
  has_entered();
  release_left();
}

void boost_context::finish(function then, void* argument) noexcept {
  depart(then, argument);
  jump to{.left = &suspended_, .entered = nullptr};
  will_leave(true);
  to.go(carrier_->stack_pointer_);
  base::fatal("a fiber was resumed after it had finished");
}

}  // namespace martlet::detail
