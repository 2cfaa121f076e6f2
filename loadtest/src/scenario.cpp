#include <martlet/loadtest/scenario.hpp>

#include "json_document.hpp"
#include "scenario_keys.hpp"
#include "suggestion.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace martlet::loadtest {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr std::uint64_t most_users = 10'000'000;
constexpr std::uint64_t most_requests = 1'000'000'000'000;
constexpr std::uint64_t largest_seed = (std::uint64_t{1} << 53) - 1;  // what every JSON tool keeps exactly
constexpr double lowest_rate = 1e-6;                                  // one in eleven days
constexpr double highest_rate = 1e7;
constexpr double largest_weight = 1e6;
constexpr std::size_t most_steps = 1'000;
constexpr std::size_t largest_file = 64 << 20;
constexpr std::size_t longest_path = 8'000;  // servers refuse longer ones
constexpr std::size_t longest_header_name = 256;
constexpr std::size_t longest_header_value = 8'000;
constexpr auto shortest_timeout = 1ms;

bool is_equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view word) {  // RFC 9110, 5.6.2
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

think_time_distribution read_think_time(const json_place& place) {
  using shape = think_time_distribution::shape;
  think_time_distribution result;
  if (place.is_string()) {
    result.low = place.as_duration(0ns);
    return result;
  }
  if (!place.is_object())
    place.expected(
        "a duration such as \"100ms\", or an object such as {\"distribution\": \"exponential\", \"mean\": \"100ms\"}");
  const auto kind = place.at("distribution").as_choice(keys::distributions);
  if (kind == "constant") {
    place.expect_keys(keys::constant_time);
    result.low = place.at("value").as_duration(0ns);
  } else if (kind == "uniform") {
    place.expect_keys(keys::uniform_time);
    result.kind = shape::uniform;
    result.low = place.at("min").as_duration(0ns);
    result.high = place.at("max").as_duration(0ns);
    if (result.high < result.low) place.at("max").expected("a duration not shorter than \"min\"");
  } else {
    place.expect_keys(keys::exponential_time);
    result.kind = shape::exponential;
    result.average = place.at("mean").as_duration(0ns);
  }
  return result;
}

closed_model read_closed(const json_place& place, const std::optional<std::uint64_t>& total_requests) {
  place.expect_keys(keys::closed_model);
  closed_model model;
  model.users = place.at("users").as_integer(1, most_users);
  if (auto think = place.find("think_time")) model.think_time = read_think_time(*think);
  if (auto iterations = place.find("iterations")) model.iterations = iterations->as_integer(1, most_requests);
  if (auto duration = place.find("duration")) model.duration = duration->as_duration(shortest_timeout);
  if (auto ramp_up = place.find("ramp_up")) model.ramp_up = ramp_up->as_duration(0ns);
  if (!model.iterations && !model.duration && !total_requests)
    place.fail(
        "this run would never end: give \"iterations\" or \"duration\" here, or \"total_requests\" beside \"model\"");
  if (total_requests && *total_requests < model.users)
    place.at("users").fail(std::to_string(model.users) + " users are too many for a total of " +
                           std::to_string(*total_requests) + " requests: some would have nothing to do");
  if (model.duration && model.ramp_up > *model.duration)
    place.at("ramp_up").fail("the users are to begin over a longer time than the run's \"duration\"");
  return model;
}

constant_rate_model read_constant_rate(const json_place& place, const std::optional<std::uint64_t>& total_requests) {
  place.expect_keys(keys::constant_rate_model);
  constant_rate_model model;
  model.rate = place.at("rate").as_number_between(lowest_rate, highest_rate);
  if (auto duration = place.find("duration")) model.duration = duration->as_duration(shortest_timeout);
  model.max_in_flight = place.at("max_in_flight").as_integer(1, most_users);
  if (auto late_after = place.find("late_after")) model.late_after = late_after->as_duration(0ns);
  if (!model.duration && !total_requests)
    place.fail("this run would never end: give \"duration\" here, or \"total_requests\" beside \"model\"");
  return model;
}

std::vector<std::pair<std::string, std::string>> read_headers(const json_place& place) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const auto& [name, member] : place.members()) {
    if (!is_token(name)) member.fail_at_key("expected a header's name: letters, digits and hyphens");
    for (auto reserved : keys::reserved_headers)
      if (is_equal_ignoring_case(name, reserved))
        member.fail_at_key("the header " + std::string(reserved) + " is written by martlet-load itself");
    for (const auto& [other, value] : headers)
      if (is_equal_ignoring_case(name, other)) member.fail_at_key("the header " + other + " is there twice");
    if (name.size() > longest_header_name)
      member.fail_at_key("expected a header's name of at most " + std::to_string(longest_header_name) + " characters");
    auto value = member.as_string();
    if (value.size() > longest_header_value)
      member.fail("expected a header's value of at most " + std::to_string(longest_header_value) + " characters");
    if (std::any_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; }))
      member.fail("a header's value may hold no line's end and no other control character");
    headers.emplace_back(name, std::move(value));
  }
  return headers;
}

std::vector<std::uint16_t> read_statuses(const json_place& place) {
  std::vector<std::uint16_t> statuses;
  const auto add = [&](const json_place& one) {
    statuses.push_back(static_cast<std::uint16_t>(one.as_integer(200, 599)));
  };
  if (place.is_array()) {
    for (const auto& one : place.items(1, 400)) add(one);
  } else {
    add(place);
  }
  return statuses;
}

request_step read_request(const json_place& place, const std::string& base_path) {
  place.expect_keys(keys::request);
  request_step step;
  if (auto method = place.find("method")) step.method = method->as_choice(keys::methods);
  const auto path_place = place.at("path");
  const auto path = path_place.as_string();
  if (!path.starts_with('/')) path_place.expected("a path that begins with /");
  if (path.size() > longest_path)
    path_place.fail("expected a path of at most " + std::to_string(longest_path) + " characters, found " +
                    std::to_string(path.size()));
  if (std::any_of(path.begin(), path.end(), [](char c) { return c <= ' ' || c > '~' || c == '#'; }))
    path_place.expected("a path of printable ASCII characters without blanks and # (write others as %XX)");
  step.path = base_path + path;
  if (auto headers = place.find("headers")) step.headers = read_headers(*headers);
  if (auto body = place.find("body")) {
    step.body = body->as_string();
    if (!step.body.empty() && (step.method == "GET" || step.method == "HEAD"))
      body->fail_at_key("a " + step.method + " request has no body");
  }
  if (auto statuses = place.find("expect_status")) step.expected_statuses = read_statuses(*statuses);
  if (auto weight = place.find("weight")) step.weight = weight->as_number_above_zero(largest_weight);
  step.name = step.method + ' ' + path;
  if (auto name = place.find("name")) step.name = name->as_string();
  return step;
}

connection_options read_connection(const json_place& place) {
  place.expect_keys(keys::connection);
  connection_options options;
  if (auto keep_alive = place.find("keep_alive")) options.keep_alive = keep_alive->as_bool();
  if (auto timeout = place.find("timeout")) options.timeout = timeout->as_duration(shortest_timeout);
  if (auto timeout = place.find("connect_timeout")) options.connect_timeout = timeout->as_duration(shortest_timeout);
  return options;
}

target read_target(const json_place& place) {
  const auto url = place.as_string();
  try {
    return parse_target(url);
  } catch (const std::invalid_argument& error) {
    place.fail(error.what());
  }
}

std::string contents_of(const std::filesystem::path& file) {
  const auto give_up = [&](const std::string& why) -> void {
    throw scenario_error("cannot read the scenario " + file.string() + ": " + why);
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), std::fclose);
  if (in == nullptr) give_up(std::strerror(errno));
  std::string text;
  for (char chunk[65536];;) {
    const auto got = std::fread(chunk, 1, sizeof(chunk), in.get());
    text.append(chunk, got);
    if (std::ferror(in.get()) != 0) give_up(std::strerror(errno));
    if (text.size() > largest_file) give_up("expected at most 64 MiB");
    if (got < sizeof(chunk)) return text;
  }
}

}  // namespace

std::optional<std::uint64_t> scenario::share_of(std::uint64_t user) const {
  const auto* closed = std::get_if<closed_model>(&model);
  if (!total_requests || closed == nullptr) return std::nullopt;
  return *total_requests / closed->users + (user < *total_requests % closed->users ? 1 : 0);
}

std::uint64_t scenario::most_in_flight() const noexcept {
  const auto* closed = std::get_if<closed_model>(&model);
  return closed != nullptr ? closed->users : std::get<constant_rate_model>(model).max_in_flight;
}

scenario read_scenario(const std::filesystem::path& file) { return parse_scenario(contents_of(file), file.string()); }

scenario parse_scenario(std::string_view text, const std::string& file) {
  const json_document document(text, file);
  const json_place root(document);
  root.expect_keys(keys::scenario);

  scenario result;
  result.name = file;
  if (auto schema = root.find("$schema")) (void)schema->as_string();
  if (auto name = root.find("name")) result.name = name->as_string();
  if (auto description = root.find("description")) (void)description->as_string();
  result.server = read_target(root.at("target"));
  if (auto total = root.find("total_requests")) result.total_requests = total->as_integer(1, most_requests);
  if (auto seed = root.find("seed")) result.seed = seed->as_integer(0, largest_seed);
  if (auto connection = root.find("connection")) result.connection = read_connection(*connection);

  const auto model = root.at("model");
  if (model.at("kind").as_choice(keys::models) == "closed") {
    result.model = read_closed(model, result.total_requests);
  } else {
    result.model = read_constant_rate(model, result.total_requests);
  }

  for (const auto& place : root.at("requests").items(1, most_steps)) {
    auto step = read_request(place, result.server.base_path);
    if (!result.requests.empty() && (step.weight > 0) != result.is_weighted)
      place.fail("either every request has a \"weight\" (one is chosen each time) or none has (they are sent in turn)");
    result.is_weighted = step.weight > 0;
    result.requests.push_back(std::move(step));
  }
  return result;
}

}  // namespace martlet::loadtest
