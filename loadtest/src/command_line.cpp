#include "command_line.hpp"

#include "monitor.hpp"
#include "preflight.hpp"
#include "sockets_engine.hpp"

#include <martlet/loadtest/report.hpp>
#include <martlet/loadtest/scenario.hpp>

#include <CLI/CLI.hpp>

#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>

namespace martlet::loadtest {
namespace {

constexpr int exit_wrong_call = 2;  // usage, scenario or target
constexpr int exit_internal = 70;   // a bug of ours, or a machine out of memory
constexpr int most_workers = 1'024;

struct run_arguments {
  std::string scenario_file;
  std::string json_file;
  std::string histogram_file;
  std::string target_url;
  int workers = 0;  // 0: one per core
  bool always_progress = false;
};

scenario load(const run_arguments& arguments) {
  auto what = read_scenario(arguments.scenario_file);
  if (arguments.target_url.empty()) return what;
  try {
    const auto other = parse_target(arguments.target_url);
    for (auto& step : what.requests) step.path.replace(0, what.server.base_path.size(), other.base_path);
    what.server = other;
  } catch (const std::invalid_argument& error) {
    throw scenario_error(std::string("--target: ") + error.what());
  }
  return what;
}

int check(const run_arguments& arguments) {
  const auto what = load(arguments);
  std::printf("%s: a good scenario (%zu %s to %s)\n", arguments.scenario_file.c_str(), what.requests.size(),
              what.requests.size() == 1 ? "request" : "requests", what.server.url().c_str());
  return 0;
}

// A report that cannot be written must be known before an hour of measuring, not after it.
void expect_writable(const std::string& file) {
  if (file.empty()) return;
  if (::access(file.c_str(), F_OK) != 0) {
    write_file(file, "");
    ::unlink(file.c_str());
  } else if (::access(file.c_str(), W_OK) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot write " + file);
  }
}

int run(const run_arguments& arguments) {
  const auto what = load(arguments);
  expect_writable(arguments.json_file);
  expect_writable(arguments.histogram_file);
  allow_descriptors(sockets_engine::descriptors_for(what, arguments.workers));
  check_local_ports(std::holds_alternative<closed_model>(what.model) ? what.most_in_flight() : 1);
  const auto address = find_target(what.server, what.connection.connect_timeout);

  stop_signals signals;
  sockets_engine engine(what, address, arguments.workers);
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  progress line(stderr, is_terminal);
  auto results = watch(engine, what, signals, is_terminal || arguments.always_progress ? &line : nullptr);
  results.address = address.text();

  const bool is_told = std::fputs(summary(what, results).c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  const int why_not = errno;
  if (!arguments.json_file.empty()) write_file(arguments.json_file, json_report(what, results));
  if (!arguments.histogram_file.empty()) write_file(arguments.histogram_file, histogram_log(results));
  if (!is_told) throw std::system_error(why_not, std::generic_category(), "cannot write the summary");
  return static_cast<int>(results.ended);
}

int complain(const char* sentence, int code) {
  std::fprintf(stderr, "martlet-load: %s\n", sentence);
  return code;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  run_arguments arguments;
  CLI::App app("Simulates the users of an HTTP server and measures how long they wait.", "martlet-load");
  app.set_version_flag("--version", "martlet-load " MARTLET_LOAD_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 passed, 2 wrong call, scenario or target, 97 stopped by Ctrl-C, 98 the generator itself was saturated.");

  auto* check_command = app.add_subcommand("check", "Reads a scenario and says what is wrong with it.");
  check_command->add_option("scenario", arguments.scenario_file, "The scenario, a JSON file")->required();

  auto* run_command = app.add_subcommand("run", "Runs a scenario and prints what it measured.");
  run_command->add_option("scenario", arguments.scenario_file, "The scenario, a JSON file")->required();
  run_command->add_option("--json", arguments.json_file, "Writes the report as JSON to this file");
  run_command->add_option("--hdr", arguments.histogram_file,
                          "Writes the histograms as an HdrHistogram log to this file");
  run_command->add_option("--target", arguments.target_url, "Takes this URL in place of the scenario's target");
  run_command->add_option("--workers", arguments.workers, "Threads that run the users; one per core by default")
      ->check(CLI::Range(1, most_workers));
  run_command->add_flag("--progress", arguments.always_progress,
                        "Prints a line each second even where there is no terminal");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_wrong_call;
  }

  try {
    return check_command->parsed() ? check(arguments) : run(arguments);
  } catch (const scenario_error& error) {
    return complain(error.what(), exit_wrong_call);
  } catch (const preflight_error& error) {
    return complain(error.what(), exit_wrong_call);
  } catch (const std::system_error& error) {
    return complain(error.what(), exit_wrong_call);
  } catch (const std::exception& error) {
    return complain(error.what(), exit_internal);
  }
}

}  // namespace martlet::loadtest
