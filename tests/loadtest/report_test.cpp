#include <martlet/loadtest/report.hpp>

#include "progress.hpp"

#include <martlet/loadtest/histogram_codec.hpp>
#include <martlet/loadtest/histogram_log.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace {

using namespace martlet::loadtest;
using namespace std::chrono_literals;
using json = nlohmann::json;

scenario two_steps() {
  return parse_scenario(R"({"name": "two steps", "target": "http://localhost:8080",
    "model": {"kind": "constant_rate", "rate": 500, "duration": "2s", "max_in_flight": 10},
    "requests": [{"path": "/"}, {"name": "buy", "method": "POST", "path": "/buy"}]})",
                        "s.json");
}

run_results results_of_two_steps() {
  run_results results;
  results.started_at = std::chrono::system_clock::time_point(1'700'000'000s);
  results.wall = 2s;
  results.address = "127.0.0.1:8080";
  results.workers = 2;
  results.cpu = 10ms;
  results.peak_memory = 12'345'678;
  results.most_open = 10;
  auto& counts = results.counts;
  counts.started = 1'000;
  counts.succeeded = 990;
  counts.failures[static_cast<std::size_t>(failure::status)] = 6;
  counts.failures[static_cast<std::size_t>(failure::timeout)] = 3;
  counts.late = 5;
  counts.dropped = 2;
  counts.statuses[200] = 990;
  counts.statuses[500] = 6;
  counts.connections_opened = 10;
  counts.bytes_sent = 43'000;
  counts.bytes_received = 1'234'567;
  counts.steps = {{500, 4}, {499, 5}};
  for (std::uint64_t i = 1; i <= 999; ++i) {
    counts.from_intended.record(i * 10'000);
    counts.from_send.record(i * 1'000);
    counts.lateness.record(i * 10);
  }
  return results;
}

std::filesystem::path fresh_directory() {
  auto name = (std::filesystem::temp_directory_path() / "martlet-report-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  return name;
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_SUITE("report") {
  TEST_CASE("the summary says what happened") {
    CHECK(summary(two_steps(), results_of_two_steps()) ==
          R"(two steps
  http://localhost:8080 (127.0.0.1:8080); 500 requests a second, at most 10 in flight

requests       999 in 2.00 s, 500 a second
as expected    990
errors         9: 3 timeout, 6 status
late, dropped  5, 2
unanswered     1 when the run was stopped
statuses       990 of 200, 6 of 500
connections    10 opened, 10 at once
bytes          43.0 kB out, 1.23 MB in

latency                p50        p90        p99      p99.9     p99.99        max       mean
from intended     5.001 ms   9.003 ms   9.904 ms   9.990 ms   9.990 ms   9.990 ms   5.000 ms
from send         500.2 us   900.1 us   990.2 us   999.0 us   999.0 us   999.0 us   500.0 us
connecting            none

request                  sent        failed
GET /                     500             4
buy                       499             5

generator      2 workers, 10.01 us of CPU a request, 12.3 MB of memory; late by 5.003 us (p50), 9.903 us (p99)
)");
  }

  TEST_CASE("an aborted run says that it is not whole") {
    auto results = results_of_two_steps();
    results.ended = outcome::aborted;
    CHECK(summary(two_steps(), results).find("stopped before its end") != std::string::npos);
    CHECK(json::parse(json_report(two_steps(), results))["exit_code"] == 97);
  }

  TEST_CASE("a run without a request is reported too") {
    const auto what = two_steps();
    const run_results nothing;
    CHECK(summary(what, nothing).find("requests       0 in 0.00 s, 0 a second") != std::string::npos);
    CHECK(json::parse(json_report(what, nothing))["requests"]["finished"] == 0);
  }

  TEST_CASE("the JSON report holds every figure under its key") {
    const auto report = json::parse(json_report(two_steps(), results_of_two_steps()));
    CHECK(report["outcome"] == "passed");
    CHECK(report["exit_code"] == 0);
    CHECK(report["scenario"]["name"] == "two steps");
    CHECK(report["scenario"]["target"] == "http://localhost:8080");
    CHECK(report["scenario"]["model"]["kind"] == "constant_rate");
    CHECK(report["started_at"] == "2023-11-14T22:13:20Z");
    CHECK(report["seconds"] == 2.0);
    CHECK(report["requests"]["started"] == 1'000);
    CHECK(report["requests"]["finished"] == 999);
    CHECK(report["requests"]["succeeded"] == 990);
    CHECK(report["requests"]["failed"] == 9);
    CHECK(report["requests"]["in_flight"] == 1);
    CHECK(report["requests"]["late"] == 5);
    CHECK(report["requests"]["dropped"] == 2);
    CHECK(report["requests"]["per_second"] == 499.5);
    CHECK(report["errors"].size() == failure_count);
    CHECK(report["errors"]["status"] == 6);
    CHECK(report["errors"]["connect"] == 0);
    CHECK(report["statuses"] == json{{"200", 990}, {"500", 6}});
    CHECK(report["steps"][1] == json{{"name", "buy"}, {"requests", 499}, {"failed", 5}});
    CHECK(report["connections"] == json{{"opened", 10}, {"most_open", 10}});
    CHECK(report["bytes"] == json{{"sent", 43'000}, {"received", 1'234'567}});
    const auto& latency = report["latency_ns"]["from_intended"];
    CHECK(latency["count"] == 999);
    CHECK(latency["min"] == 10'000);
    CHECK(latency["max"] == 9'990'000);
    for (const auto* key : {"p50", "p90", "p99", "p99_9", "p99_99", "mean", "standard_deviation"})
      CHECK(latency[key].is_number());
    CHECK(latency["p50"] == results_of_two_steps().counts.from_intended.percentile(50));
    CHECK(decode(from_base64(latency["hdr"].get<std::string>())).count() == 999);
    CHECK(report["connect_ns"]["count"] == 0);
    CHECK(report["generator"]["workers"] == 2);
    CHECK(report["generator"]["cpu_seconds"] == 0.01);
  }

  TEST_CASE("the histogram log holds the four histograms") {
    std::istringstream log(histogram_log(results_of_two_steps()));
    const auto intervals = read_histogram_log(log);
    REQUIRE(intervals.size() == 4);
    CHECK(intervals[0].tag == "from_intended");
    CHECK(intervals[0].length == 2);
    CHECK(intervals[1].values.count() == 999);
    CHECK(intervals[2].values.is_empty());
  }

  TEST_CASE("numbers are grouped and bytes have units") {
    CHECK(grouped(0) == "0");
    CHECK(grouped(999) == "999");
    CHECK(grouped(1'000) == "1,000");
    CHECK(grouped(1'234'567) == "1,234,567");
    CHECK(bytes_text(999) == "999 B");
    CHECK(bytes_text(1'000) == "1.00 kB");
    CHECK(bytes_text(999'499) == "999 kB");
    CHECK(bytes_text(999'600) == "1.00 MB");
    CHECK(bytes_text(12'345'678'901) == "12.3 GB");
  }

  TEST_CASE("a file is written whole, keeps the usual permissions, and leaves nothing beside it") {
    const auto directory = fresh_directory();
    const auto file = directory / "report.json";
    write_file(file, "first");
    write_file(file, "second");
    CHECK(contents(file) == "second");
    CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::owner_read) !=
          std::filesystem::perms::none);
    CHECK(std::distance(std::filesystem::directory_iterator(directory), {}) == 1);
    CHECK_THROWS_WITH_AS(write_file(directory / "missing" / "report.json", "x"), doctest::Contains("cannot write"),
                         std::system_error);
    CHECK_THROWS_AS(write_file(directory, "x"), std::system_error);
    CHECK(std::distance(std::filesystem::directory_iterator(directory), {}) == 1);
    CHECK_NOTHROW(write_file("/dev/null", "x"));
    CHECK_FALSE(std::filesystem::is_regular_file("/dev/null"));
    std::filesystem::remove_all(directory);
  }

  TEST_CASE("the live line tells the last second apart from the whole") {
    tally before;
    before.succeeded = 1'000;
    before.connections_opened = 50;
    before.from_intended.record(1'000'000'000, 1'000);
    tally now = before;
    now.succeeded = 3'500;
    now.failures[0] = 2;
    now.from_intended.record(2'000'000, 2'500);
    CHECK(progress::line(5s, now, 4s, before) ==
          "5 s: 3,502 requests, 2,502 a second, p50 2.001 ms, p99 2.001 ms; 50 open, 2 errors");
    CHECK(progress::line(0s, tally{}, 0s, tally{}) == "0 s: 0 requests, 0 a second; 0 open, 0 errors");
  }
}
