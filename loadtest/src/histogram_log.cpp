#include <martlet/loadtest/histogram_log.hpp>

#include <martlet/loadtest/histogram_codec.hpp>

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <istream>
#include <ostream>

namespace martlet::loadtest {
namespace {

// What a tag cannot hold: it would end the column or the line.
constexpr std::string_view separators = ", \t\r\n";

// printf would use the locale's decimal comma, which the format's readers take for the next column.
std::string fixed(double number) {
  std::array<char, 340> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed, 3).ptr;
  return {text.data(), end};
}

double number_in(std::string_view column, std::string_view what) {
  double number = 0;
  const auto [end, error] = std::from_chars(column.data(), column.data() + column.size(), number);
  if (error != std::errc{} || end != column.data() + column.size())
    throw histogram_format_error("expected " + std::string(what) + " as a number, found \"" + std::string(column) +
                                 '"');
  return number;
}

std::string_view next_column(std::string_view& line) {
  const auto comma = line.find(',');
  const auto column = line.substr(0, comma);
  line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  return column;
}

histogram_interval read_line(std::string_view line) {
  histogram_interval interval;
  if (line.starts_with("Tag=")) interval.tag = next_column(line).substr(4);
  if (interval.tag.find_first_of(separators) != std::string::npos)
    throw histogram_format_error("expected a tag without a blank, found \"" + interval.tag + '"');
  interval.start = number_in(next_column(line), "the start");
  interval.length = number_in(next_column(line), "the length");
  number_in(next_column(line), "the maximum");
  interval.values = decode(from_base64(line));
  return interval;
}

}  // namespace

histogram_log_writer::histogram_log_writer(std::ostream& out, double start_time) : out_(out) {
  const auto whole = static_cast<std::time_t>(start_time);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  std::array<char, 64> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  out_ << "#[Histogram log format version 1.3]\n"
       << "#[StartTime: " << fixed(start_time) << " (seconds since epoch), " << date.data() << "]\n"
       << "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
}

void histogram_log_writer::write(const histogram_interval& interval) {
  if (interval.tag.find_first_of(separators) != std::string::npos)
    throw std::invalid_argument("a histogram's tag may hold no comma, blank or line's end, found \"" + interval.tag +
                                '"');
  if (!interval.tag.empty()) out_ << "Tag=" << interval.tag << ',';
  out_ << fixed(interval.start) << ',' << fixed(interval.length) << ','
       << fixed(static_cast<double>(interval.values.max()) / 1e6) << ','
       << to_base64(encode_compressed(interval.values)) << '\n';
}

std::vector<histogram_interval> read_histogram_log(std::istream& in) {
  std::vector<histogram_interval> intervals;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#' || line.front() == '"') continue;
    try {
      intervals.push_back(read_line(line));
    } catch (const histogram_format_error& error) {
      throw histogram_format_error("line " + std::to_string(number) + ": " + error.what());
    }
  }
  return intervals;
}

}  // namespace martlet::loadtest
