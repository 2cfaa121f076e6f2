#pragma once

#include <exception>
#include <stdexcept>

namespace martlet {

/// Thrown by a wait whose tasklet was cancelled.
///
/// Cancellation stays set: every later wait of the tasklet throws it too.
class cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled: this tasklet was asked to stop"; }
};

/// Thrown by a wait that took longer than it was allowed to.
class deadline_passed : public std::exception {
 public:
  const char* what() const noexcept override { return "deadline passed: the wait took longer than it was allowed to"; }
};

/// Thrown by a spawn that would make more tasklets than the scheduler may have. `try_spawn` tells it instead.
class overloaded : public std::exception {
 public:
  const char* what() const noexcept override {
    return "overloaded: there are as many tasklets as scheduler_options::most_tasklets allows; let some end, or ask "
           "with try_spawn";
  }
};

/// Thrown in a simulation by what waits when nothing can run any more; the text lists every tasklet and what it waits for.
class deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown where the library is used in a way that cannot work; the text says what to do instead.
class misuse : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace martlet
