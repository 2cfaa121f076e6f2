#include <martlet/loadtest/report.hpp>

#include "duration.hpp"

#include <martlet/loadtest/histogram_codec.hpp>
#include <martlet/loadtest/histogram_log.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <sstream>

namespace martlet::loadtest {
namespace {

using json = nlohmann::ordered_json;
using std::chrono::nanoseconds;

struct percentile {
  double percent;
  std::string_view title;
  std::string_view key;
};

constexpr std::array<percentile, 5> percentiles{{{50, "p50", "p50"},
                                                 {90, "p90", "p90"},
                                                 {99, "p99", "p99"},
                                                 {99.9, "p99.9", "p99_9"},
                                                 {99.99, "p99.99", "p99_99"}}};

constexpr std::size_t column_width = 11;

std::string fixed(double number, int decimals) {
  std::array<char, 340> text;
  return {text.data(),
          std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed, decimals).ptr};
}

std::string right(std::string_view text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + std::string(text);
}

std::string left(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

std::string in_time(std::uint64_t count) { return to_text(nanoseconds(static_cast<std::int64_t>(count))); }

std::string time_text(std::chrono::system_clock::time_point moment) {
  const auto whole = std::chrono::system_clock::to_time_t(moment);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

std::string model_text(const scenario& what) {
  std::string text;
  if (const auto* closed = std::get_if<closed_model>(&what.model)) {
    text = grouped(closed->users) + (closed->users == 1 ? " user" : " users");
    if (closed->think_time.mean().count() > 0)
      text += ", thinking " + to_text(closed->think_time.mean()) + " on average";
  } else {
    const auto& constant = std::get<constant_rate_model>(what.model);
    text = fixed(constant.rate, constant.rate < 10 ? 2 : 0) + " requests a second, at most " +
           grouped(constant.max_in_flight) + " in flight";
  }
  return text;
}

std::string table_row(std::string_view title, const histogram& values) {
  auto row = left(title, 15);
  if (values.is_empty()) return row + right("none", column_width) + '\n';
  for (const auto& column : percentiles) row += right(in_time(values.percentile(column.percent)), column_width);
  row += right(in_time(values.max()), column_width);
  return row + right(in_time(static_cast<std::uint64_t>(values.mean())), column_width) + '\n';
}

json times(const histogram& values) {
  json result{{"count", values.count()},
              {"min", values.min()},
              {"mean", values.mean()},
              {"standard_deviation", values.standard_deviation()}};
  for (const auto& column : percentiles) result[std::string(column.key)] = values.percentile(column.percent);
  result["max"] = values.max();
  result["hdr"] = to_base64(encode_compressed(values));
  return result;
}

json errors(const tally& counts) {
  json result = json::object();
  for (std::size_t i = 0; i != failure_count; ++i) result[std::string(failure_names[i])] = counts.failures[i];
  return result;
}

json statuses(const tally& counts) {
  json result = json::object();
  for (std::size_t status = 0; status != counts.statuses.size(); ++status)
    if (counts.statuses[status] != 0) result[std::to_string(status)] = counts.statuses[status];
  return result;
}

json steps(const scenario& what, const tally& counts) {
  json result = json::array();
  for (std::size_t i = 0; i != what.requests.size() && i != counts.steps.size(); ++i)
    result.push_back({{"name", what.requests[i].name},
                      {"requests", counts.steps[i].requests},
                      {"failed", counts.steps[i].failed}});
  return result;
}

std::string_view outcome_name(outcome ended) {
  switch (ended) {
    case outcome::aborted: return "aborted";
    case outcome::saturated: return "saturated";
    case outcome::passed: break;
  }
  return "passed";
}

double cpu_per_request(const run_results& results) {  // microseconds
  const auto finished = results.counts.finished();
  return finished == 0 ? 0 : static_cast<double>(results.cpu.count()) / 1e3 / static_cast<double>(finished);
}

}  // namespace

std::string grouped(std::uint64_t count) {
  auto text = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), 1, ',');
  return text;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1'000) return std::to_string(bytes) + " B";
  auto number = static_cast<double>(bytes) / 1e3;
  std::size_t unit = 0;
  for (; number >= 999.5 && unit + 1 < units.size(); ++unit) number /= 1e3;
  return fixed(number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0) + ' ' + std::string(units[unit]);
}

std::string summary(const scenario& what, const run_results& results) {
  const auto& counts = results.counts;
  std::string text = what.name + '\n';
  text += "  " + what.server.url() + (results.address.empty() ? "" : " (" + results.address + ')') + "; " +
          model_text(what) + '\n';
  if (results.ended == outcome::aborted) text += "  stopped before its end; this is what was measured until then\n";
  text += '\n';

  text += "requests       " + grouped(counts.finished()) + " in " + fixed(results.seconds(), 2) + " s, " +
          grouped(static_cast<std::uint64_t>(std::llround(results.rate()))) + " a second\n";
  text += "as expected    " + grouped(counts.succeeded) + '\n';
  text += "errors         " + grouped(counts.failed());
  const char* separator = ": ";
  for (std::size_t i = 0; i != failure_count; ++i) {
    if (counts.failures[i] == 0) continue;
    text += separator + grouped(counts.failures[i]) + ' ' + std::string(failure_names[i]);
    separator = ", ";
  }
  text += '\n';
  if (std::holds_alternative<constant_rate_model>(what.model))
    text += "late, dropped  " + grouped(counts.late) + ", " + grouped(counts.dropped) + '\n';
  if (counts.in_flight() != 0) text += "unanswered     " + grouped(counts.in_flight()) + " when the run was stopped\n";
  text += "statuses       ";
  separator = "";
  for (std::size_t status = 0; status != counts.statuses.size(); ++status) {
    if (counts.statuses[status] == 0) continue;
    text += separator + grouped(counts.statuses[status]) + " of " + std::to_string(status);
    separator = ", ";
  }
  text += *separator == '\0' ? "none\n" : "\n";
  text +=
      "connections    " + grouped(counts.connections_opened) + " opened, " + grouped(results.most_open) + " at once\n";
  text += "bytes          " + bytes_text(counts.bytes_sent) + " out, " + bytes_text(counts.bytes_received) + " in\n\n";

  text += left("latency", 15);
  for (const auto& column : percentiles) text += right(column.title, column_width);
  text += right("max", column_width) + right("mean", column_width) + '\n';
  text += table_row("from intended", counts.from_intended);
  text += table_row("from send", counts.from_send);
  text += table_row("connecting", counts.connect);

  if (what.requests.size() > 1) {
    std::size_t width = 15;
    for (const auto& step : what.requests) width = std::max(width, std::min<std::size_t>(step.name.size() + 2, 60));
    text += '\n' + left("request", width) + right("sent", 14) + right("failed", 14) + '\n';
    for (std::size_t i = 0; i != what.requests.size() && i != counts.steps.size(); ++i)
      text += left(what.requests[i].name, width) + right(grouped(counts.steps[i].requests), 14) +
              right(grouped(counts.steps[i].failed), 14) + '\n';
  }

  text += "\ngenerator      " + std::to_string(results.workers) + (results.workers == 1 ? " worker, " : " workers, ") +
          fixed(cpu_per_request(results), 2) + " us of CPU a request, " + bytes_text(results.peak_memory) +
          " of memory; late by " + in_time(counts.lateness.percentile(50)) + " (p50), " +
          in_time(counts.lateness.percentile(99)) + " (p99)\n";
  if (!results.saturation.empty()) text += "               " + results.saturation + '\n';
  return text;
}

std::string json_report(const scenario& what, const run_results& results) {
  const auto& counts = results.counts;
  json report{
      {"martlet_load", MARTLET_LOAD_VERSION},
      {"outcome", outcome_name(results.ended)},
      {"exit_code", static_cast<int>(results.ended)},
      {"scenario",
       {{"name", what.name}, {"target", what.server.url()}, {"address", results.address}, {"seed", what.seed}}},
      {"started_at", time_text(results.started_at)},
      {"seconds", results.seconds()},
      {"requests",
       {{"started", counts.started},
        {"finished", counts.finished()},
        {"succeeded", counts.succeeded},
        {"failed", counts.failed()},
        {"in_flight", counts.in_flight()},
        {"late", counts.late},
        {"dropped", counts.dropped},
        {"per_second", results.rate()}}},
      {"errors", errors(counts)},
      {"statuses", statuses(counts)},
      {"steps", steps(what, counts)},
      {"connections", {{"opened", counts.connections_opened}, {"most_open", results.most_open}}},
      {"bytes", {{"sent", counts.bytes_sent}, {"received", counts.bytes_received}}},
      {"latency_ns", {{"from_intended", times(counts.from_intended)}, {"from_send", times(counts.from_send)}}},
      {"connect_ns", times(counts.connect)},
      {"generator",
       {{"workers", results.workers},
        {"cpu_seconds", std::chrono::duration<double>(results.cpu).count()},
        {"cpu_us_per_request", cpu_per_request(results)},
        {"peak_memory_bytes", results.peak_memory},
        {"lateness_ns", times(counts.lateness)},
        {"saturation", results.saturation}}},
  };
  auto& model = report["scenario"]["model"];
  if (const auto* closed = std::get_if<closed_model>(&what.model)) {
    model = {{"kind", "closed"}, {"users", closed->users}};
  } else {
    const auto& constant = std::get<constant_rate_model>(what.model);
    model = {{"kind", "constant_rate"}, {"rate", constant.rate}, {"max_in_flight", constant.max_in_flight}};
  }
  return report.dump(2) + '\n';
}

std::string histogram_log(const run_results& results) {
  std::ostringstream out;
  const auto start = std::chrono::duration<double>(results.started_at.time_since_epoch()).count();
  histogram_log_writer log(out, start);
  log.write({"from_intended", start, results.seconds(), results.counts.from_intended});
  log.write({"from_send", start, results.seconds(), results.counts.from_send});
  log.write({"connect", start, results.seconds(), results.counts.connect});
  log.write({"lateness", start, results.seconds(), results.counts.lateness});
  return out.str();
}

}  // namespace martlet::loadtest
