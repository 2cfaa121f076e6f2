#pragma once

#include <string>
#include <vector>

#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/site.hpp>

namespace martlet {

/// A tasklet that was still there when `scheduler::shutdown` gave up waiting.
struct survivor {
  site spawned_at;
  std::string name;               // empty when it has none
  status state = status::queued;  // queued, running or blocked, at some moment shortly before
};

/// What `scheduler::shutdown` has left behind.
struct shutdown_report {
  std::vector<survivor> survivors;

  /// Returns   whether nothing was left: every tasklet has ended, and the threads too.
  bool is_complete() const noexcept { return survivors.empty(); }

  /// Returns   one line for each place of a spawn and each name: how many, in which state, from where.
  std::string text() const;
};

}  // namespace martlet
