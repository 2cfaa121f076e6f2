#pragma once

#include <martlet/loadtest/histogram.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace martlet::loadtest {

/// Says why bytes are no histogram that martlet can read.
class histogram_format_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Writes a histogram in HdrHistogram's V2 encoding: a header of 40 bytes, then the counts up to the largest value, each as
/// a ZigZag LEB128 number, with runs of zeros as one negative number.
///
/// The exact minimum and maximum are not in the format: a decoded histogram knows them to 3 digits.
/// Source    HdrHistogram, AbstractHistogram.encodeIntoByteBuffer
std::string encode(const histogram& values);

/// Writes a histogram in HdrHistogram's compressed V2 encoding: `encode` inside zlib's format.
std::string encode_compressed(const histogram& values);

/// Reads what `encode` or `encode_compressed` (or any HdrHistogram in V2 with the same layout) wrote.
///
/// Throws    histogram_format_error: truncated, damaged, another version, or another layout than lowest value 1 with 3
///           significant digits.
histogram decode(std::string_view bytes);

/// Writes bytes as base64 with padding, on one line.
std::string to_base64(std::string_view bytes);

/// Reads base64 with padding.
///
/// Throws    histogram_format_error: a foreign character or a length that is no multiple of four.
std::string from_base64(std::string_view text);

}  // namespace martlet::loadtest
