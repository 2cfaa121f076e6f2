#include <martlet/loadtest/histogram_codec.hpp>

#include "fuzzing.hpp"

using namespace martlet::loadtest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = martlet::testing::text_of(data, size);
  try {
    const histogram values = decode(bytes);
    const histogram again = decode(encode(values));
    martlet::testing::claim(again.count() == values.count(), "what was read is written with all its values");
    martlet::testing::claim(encode(again) == encode(values), "what was read is written and read again");
  } catch (const histogram_format_error&) {  // says what is wrong
  }
  try {
    const std::string plain = from_base64(bytes);
    martlet::testing::claim(from_base64(to_base64(plain)) == plain, "base64 goes there and back");
  } catch (const histogram_format_error&) {}
  return 0;
}
