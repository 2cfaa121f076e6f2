#pragma once

#include <optional>

#include "run.hpp"

/// What the parts of the interface for C++ programs have in common.
namespace martlet::python {

/// Returns   the state of this program's module; null before `install`. Call it attached.
module_state* find_state() noexcept;

/// The same, installed if need be, and attached if it is a tasklet that calls.
///
/// Takes     the name of the call. Throws as `install`.
module_state& installed(const char* call);

/// Returns   the run that has the calling worker; null when none has. May attach for a moment.
run* run_of_worker(const detail::host& here) noexcept;

/// Lets the calling thread use Python: a run's worker until its tasklet waits, any other thread for as long as this lives.
class access {
 public:
  access() noexcept;
  access(const access&) = delete;
  access& operator=(const access&) = delete;
  ~access();

 private:
  std::optional<PyGILState_STATE> before_;  // of another thread
};

}  // namespace martlet::python
