#include <martlet/loadtest/histogram_codec.hpp>
#include <martlet/loadtest/histogram_log.hpp>

#include <sstream>
#include <string>

#include "fuzzing.hpp"

using namespace martlet::loadtest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream file{std::string(martlet::testing::text_of(data, size))};
  try {
    const auto intervals = read_histogram_log(file);
    std::stringstream copy;
    histogram_log_writer writer(copy, 0);
    for (const auto& interval : intervals) {
      writer.write(interval);
    }
    martlet::testing::claim(read_histogram_log(copy).size() == intervals.size(), "what was read is written again");
  } catch (const histogram_format_error&) {  // says what is wrong, and in which line
  }
  return 0;
}
