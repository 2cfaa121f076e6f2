#include <martlet/loadtest/scenario.hpp>

#include "scenario_keys.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

// Whole scenarios, good and bad, are in scenario_cases.json, which schema_agreement.py holds the schema to as well.
namespace {

using namespace martlet::loadtest;
using namespace std::chrono_literals;
using json = nlohmann::ordered_json;

json read_json(const std::string& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in.is_open(), "cannot read ", file);
  return json::parse(in);
}

std::string error_of(std::string_view text) {
  try {
    parse_scenario(text, "s.json");
  } catch (const scenario_error& error) {
    return error.what();
  }
  return "accepted";
}

std::string full_scenario() {
  return R"({
  "name": "all", "target": "http://[::1]:8080/base/", "seed": 7, "total_requests": 11,
  "model": {"kind": "closed", "users": 4, "think_time": {"distribution": "uniform", "min": "1ms", "max": "2ms"},
            "iterations": 3, "duration": "90s", "ramp_up": "1.5s"},
  "requests": [
    {"name": "home", "path": "/", "weight": 1.5},
    {"method": "POST", "path": "/items?a=b", "headers": {"X-One": "1", "Accept": "*/*"}, "body": "{}",
     "expect_status": [201, 204], "weight": 3}
  ],
  "connection": {"keep_alive": false, "timeout": "2s", "connect_timeout": "250ms"}
})";
}

}  // namespace

TEST_SUITE("scenario") {
  TEST_CASE("each case is accepted, or refused with its sentence") {
    const auto cases = read_json(MARTLET_SCENARIO_CASES);
    REQUIRE(cases.size() > 100);
    for (const auto& one : cases) {
      const auto title = one["title"].get<std::string>();
      CAPTURE(title);
      const auto found = error_of(one["scenario"].dump(2));
      if (!one.contains("error")) {
        CHECK(found == "accepted");
      } else {
        CHECK(found.find(one["error"].get<std::string>()) != std::string::npos);
        CHECK(found.starts_with("s.json:"));
        CAPTURE(found);
        CHECK(found.find('\n') == std::string::npos);
      }
    }
  }

  TEST_CASE("the schema knows the keys that the reader knows, and no other") {
    const auto schema = read_json(MARTLET_SCENARIO_SCHEMA);
    const auto compare = [&](const std::string& name, const auto& known) {
      CAPTURE(name);
      std::set<std::string> in_schema;
      for (const auto& [key, value] : schema["$defs"][name]["properties"].items()) in_schema.insert(key);
      CHECK(in_schema == std::set<std::string>(known.begin(), known.end()));
      CHECK(schema["$defs"][name]["additionalProperties"] == false);
    };
    compare("scenario", keys::scenario);
    compare("closed_model", keys::closed_model);
    compare("constant_rate_model", keys::constant_rate_model);
    compare("constant_time", keys::constant_time);
    compare("uniform_time", keys::uniform_time);
    compare("exponential_time", keys::exponential_time);
    compare("request", keys::request);
    compare("connection", keys::connection);
    const auto methods = schema["$defs"]["request"]["properties"]["method"]["enum"].get<std::vector<std::string>>();
    CHECK(methods == std::vector<std::string>(keys::methods.begin(), keys::methods.end()));
  }

  TEST_CASE("everything that is said arrives") {
    const auto all = parse_scenario(full_scenario(), "s.json");
    CHECK(all.name == "all");
    CHECK(all.server == target{"::1", 8080, "/base"});
    CHECK(all.seed == 7);
    CHECK(all.total_requests == 11);
    const auto& model = std::get<closed_model>(all.model);
    CHECK(model.users == 4);
    CHECK(model.think_time.kind == think_time_distribution::shape::uniform);
    CHECK(model.think_time.low == 1ms);
    CHECK(model.think_time.high == 2ms);
    CHECK(model.iterations == 3);
    CHECK(model.duration == 90s);
    CHECK(model.ramp_up == 1500ms);
    REQUIRE(all.requests.size() == 2);
    CHECK(all.is_weighted);
    CHECK(all.requests[0].name == "home");
    CHECK(all.requests[0].method == "GET");
    CHECK(all.requests[0].path == "/base/");
    CHECK(all.requests[0].expects(200));
    CHECK(all.requests[0].expects(299));
    CHECK_FALSE(all.requests[0].expects(300));
    CHECK(all.requests[1].name == "POST /items?a=b");
    CHECK(all.requests[1].path == "/base/items?a=b");
    CHECK(all.requests[1].headers ==
          std::vector<std::pair<std::string, std::string>>{{"X-One", "1"}, {"Accept", "*/*"}});
    CHECK(all.requests[1].body == "{}");
    CHECK(all.requests[1].expects(204));
    CHECK_FALSE(all.requests[1].expects(200));
    CHECK(all.requests[1].weight == 3);
    CHECK_FALSE(all.connection.keep_alive);
    CHECK(all.connection.timeout == 2s);
    CHECK(all.connection.connect_timeout == 250ms);
    CHECK(all.most_in_flight() == 4);
  }

  TEST_CASE("a total is divided among the users to the last request") {
    const auto all = parse_scenario(full_scenario(), "s.json");
    std::uint64_t sum = 0;
    for (std::uint64_t user = 0; user != 4; ++user) {
      CHECK(*all.share_of(user) >= 2);
      CHECK(*all.share_of(user) <= 3);
      sum += *all.share_of(user);
    }
    CHECK(sum == 11);
  }

  TEST_CASE("an error names file, line and column of the value") {
    CHECK(error_of("{\n  \"target\": \"http://a\",\n  \"model\": {\"kind\": \"closed\",\n    \"users\":   -3}\n}") ==
          "s.json:4:16: /model/users: expected a whole number from 1 to 10000000, found -3");
    CHECK(error_of("{\r\n\t\"seed\": 1,\r\n\t\"sead\": 2}") ==
          "s.json:3:2: /sead: unknown key; did you mean \"seed\"?");
    CHECK(error_of("{\"target\": \"http://a\", \"seed\": 12 , \"name\":\n5}") ==
          "s.json:2:1: /name: expected a string, found 5");
    CHECK(error_of("{\"seed\": 1,\n \"seed\": 1}") == "s.json:2:2: /seed: this key is there twice in one object");
    CHECK(error_of("\xef\xbb\xbf[1]") == "s.json:1:1: expected an object, found [1]");
  }

  TEST_CASE("what is no JSON is named with line and column") {
    CHECK(error_of("").starts_with("s.json:1:1: syntax error"));
    CHECK(error_of("{\n  \"seed\": 1,\n  }").starts_with("s.json:3:3: syntax error while parsing object key"));
    CHECK(error_of("{} x").starts_with("s.json:1:4: syntax error"));
    CHECK(error_of("{\"name\": \"\xff\"}").find("ill-formed UTF-8") != std::string::npos);
    CHECK(error_of("{\"seed\": 1e999}").find("number overflow") != std::string::npos);
    CHECK(error_of("{\"name\": \"a\nb\"}").starts_with("s.json:1:12: syntax error"));
    CHECK(error_of(std::string(100'000, '[')).find("at most 64 levels") != std::string::npos);
  }

  TEST_CASE("a value that is shown is shortened between characters") {
    std::string long_name;
    for (int i = 0; i != 100; ++i) long_name += "\xc3\xa4";
    const auto error = error_of("{\"target\": [\"" + long_name + "\"]}");
    CHECK(error.size() < 120);
    CHECK(error.ends_with("\xc3\xa4 ..."));
  }

  TEST_CASE("no mutation of a scenario does more than be accepted or refused") {
    const auto original = full_scenario();
    std::mt19937_64 random(11);
    for (int i = 0; i != 20'000; ++i) {
      auto text = original;
      for (std::uint64_t change = 0; change <= random() % 3; ++change) {
        const auto at = random() % text.size();
        switch (random() % 4) {
          case 0: text[at] = static_cast<char>(static_cast<unsigned char>(random())); break;
          case 1: text.erase(at, 1 + random() % 20); break;
          case 2: text.insert(at, text.substr(random() % text.size(), random() % 30)); break;
          default: text[at] = text[random() % text.size()];
        }
      }
      const auto error = error_of(text);  // anything but a scenario_error ends the test
      CHECK((error == "accepted" || error.starts_with("s.json:")));
    }
  }

  TEST_CASE("a file that cannot be read is named") {
    CHECK_THROWS_WITH_AS(read_scenario("/nowhere/s.json"),
                         "cannot read the scenario /nowhere/s.json: No such file or directory", scenario_error);
    CHECK_THROWS_WITH_AS(read_scenario("/tmp"), "cannot read the scenario /tmp: Is a directory", scenario_error);
    CHECK_THROWS_WITH_AS(read_scenario("/dev/zero"), "cannot read the scenario /dev/zero: expected at most 64 MiB",
                         scenario_error);
  }

  TEST_CASE("the examples are good scenarios") {
    std::size_t found = 0;
    for (const auto& file : std::filesystem::directory_iterator(MARTLET_SCENARIO_EXAMPLES)) {
      if (file.path().extension() != ".json") continue;
      CAPTURE(file.path().string());
      CHECK_NOTHROW(read_scenario(file.path()));
      ++found;
    }
    CHECK(found >= 3);
  }
}
