#include <martlet/tasklet/context.hpp>

#include <utility>

#include <boost/context/detail/fcontext.hpp>

#include <martlet/base/check.hpp>

#include "watched_switch.hpp"

namespace martlet::detail {

namespace fcontext = boost::context::detail;

struct boost_context::access {
  static void start(fcontext::transfer_t from) noexcept {
    auto* flow = static_cast<boost_context*>(from.data);
    flow->other_ = from.fctx;
    flow->has_entered();
    const function entry = std::exchange(flow->then_, nullptr);
    entry(flow->then_argument_);
    base::fatal("the entry function of a fiber returned; it has to end with context::finish");
  }
};

void boost_context::prepare(stack_span stack, function entry, void* argument) noexcept {
  reset(stack);
  then_ = entry;
  then_argument_ = argument;
  other_ = fcontext::make_fcontext(stack.top, stack.size(), &access::start);
}

void boost_context::resume(carrier& here) noexcept {
  carrier_ = &here;
  exchange_exceptions();
  void* fake_stack = nullptr;
  will_enter(fake_stack);
  other_ = fcontext::jump_fcontext(other_, this).fctx;
  has_returned(fake_stack);
  if (then_ != nullptr) {
    const function then = std::exchange(then_, nullptr);
    then(then_argument_);  // from here on the flow may run elsewhere, or be gone
  }
}

void boost_context::suspend(function then, void* argument) noexcept {
  then_ = then;
  then_argument_ = argument;
  exchange_exceptions();
  will_leave(false);
  other_ = fcontext::jump_fcontext(other_, nullptr).fctx;
  has_entered();
}

void boost_context::finish(function then, void* argument) noexcept {
  then_ = then;
  then_argument_ = argument;
  exchange_exceptions();
  will_leave(true);
  fcontext::jump_fcontext(other_, nullptr);
  base::fatal("a fiber was resumed after it had finished");
}

}  // namespace martlet::detail
