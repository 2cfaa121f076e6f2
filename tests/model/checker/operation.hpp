#pragma once

#include <atomic>
#include <cstdint>

#include "view.hpp"

namespace martlet::model {

using memory_order = std::memory_order;

/// A line of source: what names an operation in a trace, and where a mutant is made.
struct site {
  const char* file = "";
  unsigned line = 0;

  // Two builtins rather than std::source_location, which clang 14 does not have.
  static constexpr site here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

enum class kind : std::uint8_t {
  begin,
  load,
  store,
  exchange,          // any read-modify-write that always writes
  compare_exchange,  // one that may not
  full_fence,
  light_fence,
  visit,  // a heavy fence passes through another thread
  pause,  // waits until something that was read has changed
  join,   // waits until all other threads have ended
};

constexpr bool reads(kind what) noexcept {
  return what == kind::load || what == kind::exchange || what == kind::compare_exchange;
}
constexpr bool may_write(kind what) noexcept {
  return what == kind::store || what == kind::exchange || what == kind::compare_exchange;
}
constexpr bool is_full_fence(kind what) noexcept { return what == kind::full_fence || what == kind::visit; }

/// What a thread will do in its next step.
struct operation {
  kind what = kind::begin;
  std::uint8_t location = 0;
  std::uint8_t target = 0;  // of a visit: the thread
  memory_order order = std::memory_order_relaxed;
  site at{};
  location_set watched{};          // of a pause
  std::int64_t limit = INT64_MAX;  // of a pause: it may end by itself then; time passes when nobody else can go on

  bool has_limit() const noexcept { return limit != INT64_MAX; }
  bool is_seq_cst() const noexcept { return order == std::memory_order_seq_cst; }
};

}  // namespace martlet::model
