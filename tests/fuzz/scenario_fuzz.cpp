#include <martlet/loadtest/scenario.hpp>

#include "fuzzing.hpp"
#include "wire.hpp"

using namespace martlet::loadtest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const scenario what = parse_scenario(martlet::testing::text_of(data, size), "fuzz.json");
    martlet::testing::claim(!what.requests.empty(), "a good scenario has requests");
    for (const request_step& step : what.requests) {
      const std::string wire = to_wire(step, what.server, true);
      martlet::testing::claim(wire.find("\r\n\r\n") != std::string::npos, "a request has a header");
    }
  } catch (const scenario_error&) {  // says what is wrong
  }
  return 0;
}
