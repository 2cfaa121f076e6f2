#include "child_process.hpp"
#include "scripted_server.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace {

using namespace std::chrono_literals;
using json = nlohmann::json;

/// A directory of its own for the files of a test.
class workplace {
 public:
  workplace() {
    auto name = (std::filesystem::temp_directory_path() / "martlet-load-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  workplace(const workplace&) = delete;
  workplace& operator=(const workplace&) = delete;
  ~workplace() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return (path_ / name).string(); }

  std::string scenario(const json& contents) const {
    std::ofstream(file("scenario.json")) << contents.dump(2);
    return file("scenario.json");
  }

 private:
  std::filesystem::path path_;
};

json scenario_for(const std::string& url, int users = 3, int iterations = 4) {
  return {{"target", url},
          {"model", {{"kind", "closed"}, {"users", users}, {"iterations", iterations}}},
          {"requests", json::array({{{"path", "/ok"}}})}};
}

std::vector<std::string> martlet_load(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), MARTLET_LOAD_PROGRAM);
  return arguments;
}

json read_json(const std::string& file) {
  std::ifstream in(file);
  REQUIRE(in.is_open());
  return json::parse(in);
}

// One line, in our name, and nothing on the other stream.
void check_complaint(child_process& program, const std::string& expected) {
  CHECK(program.wait() == 2);
  CHECK(program.out.empty());
  CHECK(program.err.starts_with("martlet-load: "));
  CHECK(std::count(program.err.begin(), program.err.end(), '\n') == 1);
  CAPTURE(program.err);
  CHECK(program.err.find(expected) != std::string::npos);
}

}  // namespace

TEST_SUITE("command line") {
  TEST_CASE("a summary that cannot be written is said, and the report is written all the same") {
    const workplace place;
    scripted_server server;
    auto arguments =
        martlet_load({"run", place.scenario(scenario_for(server.url())), "--json", place.file("report.json")});
    arguments.insert(arguments.begin(), {"/bin/sh", "-c", "exec \"$0\" \"$@\" >/dev/full"});
    child_process program(arguments);
    check_complaint(program, "cannot write the summary: No space left on device");
    CHECK(read_json(place.file("report.json"))["requests"]["finished"] == 12);
  }

  TEST_CASE("a run prints its summary, writes its reports and ends with 0") {
    const workplace place;
    scripted_server server;
    child_process program(martlet_load({"run", place.scenario(scenario_for(server.url())), "--json",
                                        place.file("report.json"), "--hdr", place.file("report.hlog"), "--workers",
                                        "2"}));
    CHECK(program.wait() == 0);
    CHECK(program.err.empty());  // no live line where there is no terminal
    CHECK(program.out.find("requests       12 in ") != std::string::npos);
    CHECK(program.out.find("errors         0\n") != std::string::npos);
    CHECK(server.requests("/ok") == 12);
    const auto report = read_json(place.file("report.json"));
    CHECK(report["exit_code"] == 0);
    CHECK(report["requests"]["succeeded"] == 12);
    CHECK(report["scenario"]["address"] == "127.0.0.1:" + std::to_string(server.port()));
    CHECK(report["generator"]["workers"] == 2);
    std::ifstream log(place.file("report.hlog"));
    std::string first;
    std::getline(log, first);
    CHECK(first == "#[Histogram log format version 1.3]");
  }

  TEST_CASE("another target may be given") {
    const workplace place;
    scripted_server server;
    auto scenario = scenario_for("http://localhost:1/base");
    child_process program(martlet_load({"run", place.scenario(scenario), "--target", server.url() + "/other"}));
    CHECK(program.wait() == 0);
    CHECK(server.requests("/other/ok") == 12);
    child_process wrong(martlet_load({"run", place.file("scenario.json"), "--target", "localhost"}));
    check_complaint(wrong, "--target: expected a URL such as");
  }

  TEST_CASE("check says whether a scenario is good, and sends nothing") {
    const workplace place;
    child_process good(martlet_load({"check", place.scenario(scenario_for("http://localhost:1"))}));
    CHECK(good.wait() == 0);
    CHECK(good.out.find(": a good scenario (1 request to http://localhost:1)\n") != std::string::npos);
    auto bad = scenario_for("http://localhost:1");
    bad["model"]["user"] = 5;
    child_process refused(martlet_load({"check", place.scenario(bad)}));
    check_complaint(refused, "scenario.json:5:5: /model/user: unknown key; did you mean \"users\"?");
  }

  TEST_CASE("a scenario that is not there, and one that is no JSON, are one sentence") {
    const workplace place;
    child_process missing(martlet_load({"run", place.file("none.json")}));
    check_complaint(missing, "cannot read the scenario " + place.file("none.json") + ": No such file or directory");
    std::ofstream(place.file("broken.json")) << "{\n  \"target\": http://localhost\n}";
    child_process broken(martlet_load({"run", place.file("broken.json")}));
    check_complaint(broken, "broken.json:2:13: syntax error");
  }

  TEST_CASE("a target that nobody listens on is one sentence") {
    const workplace place;
    std::string url;
    {
      scripted_server gone;
      url = gone.url();
    }
    child_process program(martlet_load({"run", place.scenario(scenario_for(url))}));
    check_complaint(program, "cannot reach the target " + url + ": ");
    child_process unknown(martlet_load({"run", place.scenario(scenario_for("http://no-such-host.invalid"))}));
    check_complaint(unknown, "cannot find the target http://no-such-host.invalid");
  }

  TEST_CASE("too few descriptors are one sentence, before the first request") {
    const workplace place;
    scripted_server server;
    child_process program(martlet_load({"run", place.scenario(scenario_for(server.url(), 500))}), 256);
    check_complaint(program, "open descriptors, and this process may have 256 at most (the hard limit)");
    CHECK(server.connections() == 0);
  }

  TEST_CASE("a report that could not be written is refused before the run, not after it") {
    const workplace place;
    scripted_server server;
    child_process program(martlet_load({"run", place.scenario(scenario_for(server.url())), "--json",
                                        place.file("no/such/directory.json")}));
    check_complaint(program, "cannot write " + place.file("no/such/directory.json"));
    CHECK(server.connections() == 0);
  }

  TEST_CASE("a wrong call ends with 2 and says how it is meant") {
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {}, {"walk"}, {"run"}, {"run", "a.json", "--workers", "0"}, {"run", "a.json", "--worker", "2"}}) {
      child_process program(martlet_load(arguments));
      CHECK(program.wait() == 2);
      CHECK(program.err.find("--help") != std::string::npos);
    }
    child_process help(martlet_load({"run", "--help"}));
    CHECK(help.wait() == 0);
    CHECK(help.out.find("--json") != std::string::npos);
    child_process version(martlet_load({"--version"}));
    CHECK(version.wait() == 0);
    CHECK(version.out == "martlet-load " MARTLET_LOAD_VERSION "\n");
  }

  TEST_CASE("Ctrl-C ends a run with its summary, its report and 97") {
    const workplace place;
    scripted_server server;
    auto scenario = scenario_for(server.url(), 10, 1'000'000);
    scenario["model"]["think_time"] = "1ms";
    child_process program(martlet_load({"run", place.scenario(scenario), "--json", place.file("report.json"),
                                        "--progress"}));
    for (int i = 0; i != 1'000 && server.requests() < 50; ++i) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(1'100ms);
    program.signal(SIGINT);
    CHECK(program.wait() == 97);
    CHECK(program.err.starts_with("1 s: "));
    CHECK(program.out.find("stopped before its end") != std::string::npos);
    const auto report = read_json(place.file("report.json"));
    CHECK(report["outcome"] == "aborted");
    CHECK(report["requests"]["succeeded"] >= 50);
    CHECK(report["requests"]["failed"] == 0);
  }

  TEST_CASE("a generator that is too late for its own schedule ends with 98") {
    const workplace place;
    scripted_server server;
    auto scenario = scenario_for(server.url());
    // Nobody is in time to the nanosecond.
    scenario["model"] = {
        {"kind", "constant_rate"}, {"rate", 100}, {"duration", "100ms"}, {"max_in_flight", 10}, {"late_after", "0s"}};
    child_process program(martlet_load({"run", place.scenario(scenario), "--json", place.file("report.json")}));
    CHECK(program.wait() == 98);
    CHECK(program.out.find("the generator itself began 100.0% of the requests more than 0 ns late") !=
          std::string::npos);
    CHECK(read_json(place.file("report.json"))["outcome"] == "saturated");
    CHECK(read_json(place.file("report.json"))["requests"]["late"] == 10);
  }
}
