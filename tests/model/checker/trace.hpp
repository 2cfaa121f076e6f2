#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "operation.hpp"

namespace martlet::model {

/// One step of an execution, as it went.
struct event {
  operation step;
  std::uint8_t thread = 0;
  bool has_read = false;
  bool has_written = false;
  std::uint64_t value_read = 0;
  std::uint64_t value_written = 0;
  std::uint32_t read_from = 0;  // the number of the step that stored it; 0: what the location began with
};

/// Returns   the steps, a line each.
std::string to_text(const std::vector<event>& events, const std::vector<std::string>& thread_names);

const char* to_text(memory_order order) noexcept;

}  // namespace martlet::model
