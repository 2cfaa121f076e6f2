#include <martlet/loadtest/histogram_log.hpp>

#include <martlet/loadtest/histogram_codec.hpp>

#include <doctest/doctest.h>

#include <sstream>
#include <stdexcept>

namespace {

using namespace martlet::loadtest;

histogram three_values() {
  histogram values;
  values.record(1'000);
  values.record(2'000'000, 2);
  return values;
}

}  // namespace

TEST_SUITE("histogram log") {
  TEST_CASE("the log begins with the version, the start and the legend") {
    std::ostringstream out;
    histogram_log_writer log(out, 1'700'000'000.25);
    log.write({"", 0.5, 60, three_values()});
    const auto text = out.str();
    CHECK(
        text.starts_with("#[Histogram log format version 1.3]\n"
                         "#[StartTime: 1700000000.250 (seconds since epoch), 2023-11-14T22:13:20Z]\n"
                         "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
                         "0.500,60.000,2.000,HISTF"));
  }

  TEST_CASE("intervals are read back with their tags and times") {
    std::stringstream file;
    histogram_log_writer log(file, 0);
    log.write({"from_intended", 0, 1, three_values()});
    log.write({"", 1, 2.5, histogram{}});
    const auto intervals = read_histogram_log(file);
    REQUIRE(intervals.size() == 2);
    CHECK(intervals[0].tag == "from_intended");
    CHECK(intervals[0].values.count() == 3);
    CHECK(intervals[0].values.count_at(histogram::index_of(2'000'000)) == 2);
    CHECK(intervals[1].tag.empty());
    CHECK(intervals[1].start == 1);
    CHECK(intervals[1].length == 2.5);
    CHECK(intervals[1].values.is_empty());
  }

  TEST_CASE("a damaged line is named") {
    std::istringstream text("#[comment]\n0.1,oops,3,HISTF\n");
    CHECK_THROWS_WITH_AS(read_histogram_log(text), "line 2: expected the length as a number, found \"oops\"",
                         histogram_format_error);
    std::istringstream short_line("0.1,1\n");
    CHECK_THROWS_AS(read_histogram_log(short_line), histogram_format_error);
  }

  TEST_CASE("a tag that would shift the columns is refused") {
    std::ostringstream out;
    histogram_log_writer log(out, 0);
    CHECK_THROWS_AS(log.write({"a,b", 0, 1, histogram{}}), std::invalid_argument);
    std::istringstream text("Tag=a b,0.1,1,3,HISTF\n");
    CHECK_THROWS_WITH_AS(read_histogram_log(text), "line 1: expected a tag without a blank, found \"a b\"",
                         histogram_format_error);
  }
}
