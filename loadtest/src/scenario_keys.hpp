#pragma once

#include <array>
#include <string_view>

/// The scenario's vocabulary, once: the reader refuses other keys, and a test holds scenario.schema.json to this list.
namespace martlet::loadtest::keys {

using std::string_view;

inline constexpr std::array<string_view, 9> scenario{"$schema",    "name", "target",         "model",      "requests",
                                                     "connection", "seed", "total_requests", "description"};
inline constexpr std::array<string_view, 6> closed_model{"kind",       "users",    "think_time",
                                                         "iterations", "duration", "ramp_up"};
inline constexpr std::array<string_view, 5> constant_rate_model{"kind", "rate", "duration", "max_in_flight",
                                                                "late_after"};
inline constexpr std::array<string_view, 2> constant_time{"distribution", "value"};
inline constexpr std::array<string_view, 3> uniform_time{"distribution", "min", "max"};
inline constexpr std::array<string_view, 2> exponential_time{"distribution", "mean"};
inline constexpr std::array<string_view, 7> request{"name", "method",        "path",  "headers",
                                                    "body", "expect_status", "weight"};
inline constexpr std::array<string_view, 3> connection{"keep_alive", "timeout", "connect_timeout"};

inline constexpr std::array<string_view, 2> models{"closed", "constant_rate"};
inline constexpr std::array<string_view, 3> distributions{"constant", "uniform", "exponential"};
inline constexpr std::array<string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

/// Headers that the harness writes itself, because the connection would break otherwise.
inline constexpr std::array<string_view, 5> reserved_headers{"Connection", "Content-Length", "Expect",
                                                             "Transfer-Encoding", "Upgrade"};

}  // namespace martlet::loadtest::keys
