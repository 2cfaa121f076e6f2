#pragma once

#include <exception>

namespace martlet {

/// Thrown by a send into a closed channel. The value stays in the operation.
class channel_closed : public std::exception {
 public:
  const char* what() const noexcept override { return "channel closed: nothing can be sent any more"; }
};

/// What a `try_` form of a channel operation did.
enum class try_status : unsigned char { done, would_wait, closed };

}  // namespace martlet
