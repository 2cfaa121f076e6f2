#pragma once

#include <cstddef>
#include <memory>

#include <boost/context/detail/fcontext.hpp>

namespace martlet::model {

/// A flow of control that a model thread runs on.
///
/// One that is not to go on is simply left and prepared again: nothing is unwound, since a model thread may stand in a
/// noexcept function of the code under test. That is why this is Boost.Context's jump and not its `fiber`.
class fiber {
 public:
  /// Takes the function that the next switch to it calls; it must not return.
  void prepare(void (*run)()) {
    if (stack_ == nullptr) {
      stack_ = std::make_unique<std::byte[]>(stack_bytes);
    }
    run_ = run;
    context_ = boost::context::detail::make_fcontext(stack_.get() + stack_bytes, stack_bytes, &begin);
  }

  /// Leaves this one, which runs, and goes on with another.
  void switch_to(fiber& other) {
    current_ = &other;
    arrive(boost::context::detail::jump_fcontext(other.context_, this));
  }

 private:
  static constexpr std::size_t stack_bytes = 256 * 1024;

  static void arrive(boost::context::detail::transfer_t from) { static_cast<fiber*>(from.data)->context_ = from.fctx; }

  static void begin(boost::context::detail::transfer_t from) {
    arrive(from);
    current_->run_();
  }

  static inline fiber* current_ = nullptr;

  std::unique_ptr<std::byte[]> stack_;
  void (*run_)() = nullptr;
  boost::context::detail::fcontext_t context_ = nullptr;
};

}  // namespace martlet::model
