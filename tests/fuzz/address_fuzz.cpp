#include <martlet/loadtest/target.hpp>
#include <martlet/net/endpoint.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "duration.hpp"
#include "fuzzing.hpp"

using martlet::net::endpoint;
using martlet::testing::claim;

// All that is written in one line: endpoints, the URLs of targets, durations; and addresses as the system gives them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = martlet::testing::text_of(data, size);
  if (const auto read = endpoint::try_parse(text)) {
    claim(endpoint::parse(read->to_string()) == *read, "an endpoint is written and read again");
  }
  try {
    const auto read = martlet::loadtest::parse_target(text);
    claim(martlet::loadtest::parse_target(read.url()) == read, "a target is written and read again");
  } catch (const std::invalid_argument&) {  // says what was expected
  }
  try {
    claim(martlet::loadtest::parse_duration(text).count() >= 0, "no duration is negative");
  } catch (const std::invalid_argument&) {}
  sockaddr_storage given{};
  const std::size_t length = std::min(size, sizeof(sockaddr_un));
  std::copy_n(data, length, reinterpret_cast<std::uint8_t*>(&given));
  static_cast<void>(
      endpoint::from(reinterpret_cast<const sockaddr*>(&given), static_cast<socklen_t>(length)).to_string());
  return 0;
}
