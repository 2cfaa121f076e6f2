#pragma once

#include <martlet/loadtest/target.hpp>
#include <martlet/loadtest/think_time.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace martlet::loadtest {

/// Says in one sentence what is wrong with a scenario, and where: file, line, column and the place as a JSON pointer.
class scenario_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A fixed number of users, each of which sends its next request only after it has had the answer to the last one.
///
/// When      the users are a known crowd, or the question is what throughput it gets. It measures kindly: a server that
///           stands still is asked less. To keep asking, use `constant_rate_model`.
struct closed_model {
  std::uint64_t users = 1;
  think_time_distribution think_time;                // between the answer to a request and the next request
  std::optional<std::uint64_t> iterations;           // passes of one user over the requests
  std::optional<std::chrono::nanoseconds> duration;  // no request starts later than this
  std::chrono::nanoseconds ramp_up{0};               // the users begin evenly spread over this time
};

/// Requests that start at fixed moments, whether earlier ones were answered or not.
struct constant_rate_model {
  double rate = 1;  // requests a second
  std::optional<std::chrono::nanoseconds> duration;
  std::uint64_t max_in_flight = 1;  // a request that would be one too many is dropped and counted
  std::chrono::nanoseconds late_after =
      std::chrono::milliseconds(10);  // a request sent later than this is counted as late
};

/// One request of the scenario.
struct request_step {
  std::string name;  // method and path unless the scenario names it
  std::string method = "GET";
  std::string path;  // with the target's base path
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::uint16_t> expected_statuses;  // empty: 200 to 299
  double weight = 0;                             // 0 in a sequence

  bool expects(unsigned status) const noexcept {
    if (expected_statuses.empty()) return status >= 200 && status <= 299;
    for (auto expected : expected_statuses)
      if (expected == status) return true;
    return false;
  }
};

struct connection_options {
  bool keep_alive = true;                                       // one connection for all requests of a user
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // from the send to the answer's last byte
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
};

/// What a load test does, whatever engine runs it.
///
/// Read with `read_scenario` from a JSON file (`scenario.schema.json` describes it), so every number in it is in range.
struct scenario {
  std::string name;
  target server;
  std::variant<closed_model, constant_rate_model> model;
  std::vector<request_step> requests;  // at least one
  bool is_weighted = false;            // choose one by weight each time; otherwise one after the other
  connection_options connection;
  std::uint64_t seed = 1;
  std::optional<std::uint64_t> total_requests;

  /// Gives how many requests user `id` of a closed model may send: total_requests divided among the users, without a
  /// counter that they would have to share. Nothing when the scenario sets no total.
  std::optional<std::uint64_t> share_of(std::uint64_t user) const;

  /// Gives how many requests can be under way at once.
  std::uint64_t most_in_flight() const noexcept;
};

/// Reads and checks a scenario.
///
/// Throws    scenario_error: the file cannot be read, is no JSON, or says something that martlet-load cannot do.
scenario read_scenario(const std::filesystem::path& file);

/// Reads and checks a scenario that is already in memory; `file` is only named in errors.
scenario parse_scenario(std::string_view text, const std::string& file);

}  // namespace martlet::loadtest
