#pragma once

#include <martlet/tasklet/wait.hpp>

namespace martlet {

namespace detail {

class [[nodiscard("await it")]] yield_operation final : public operation<yield_operation> {
 public:
  using is_yield = void;  // a fiber has a way of its own, and a thread none

  bool prepare(waiter who) noexcept {
    leaf_ = who.leaf;
    root_ = who.root;
    return !root_->is_cancelled();
  }

  bool publish() noexcept {
    go_last(leaf_, root_);
    return true;
  }

  void finish() const {
    if (root_->is_cancelled()) [[unlikely]] {
      throw cancelled();
    }
  }

 private:
  tasklet* leaf_ = nullptr;
  tasklet* root_ = nullptr;
};

}  // namespace detail

/// Lets everybody else who is ready here run first.
///
/// Put it into long computations. Throws `cancelled`.
/// Suspends  always; resumed by any worker. On a plain thread it does nothing. Cost about 7 ns.
inline detail::yield_operation yield() noexcept { return {}; }

}  // namespace martlet
