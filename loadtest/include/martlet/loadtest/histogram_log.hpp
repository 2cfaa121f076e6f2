#pragma once

#include <martlet/loadtest/histogram.hpp>

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace martlet::loadtest {

/// One line of a histogram log: what was measured from `start` for `length`, both in seconds since the epoch or since the
/// log's start time, as the writer chose.
struct histogram_interval {
  std::string tag;
  double start = 0;
  double length = 0;
  histogram values;
};

/// Writes HdrHistogram's log format 1.3, which HdrHistogram's own tools plot: comments that begin with #, a legend, then a
/// line for each interval with the histogram in base64.
///
///     histogram_log_writer log(file, seconds_since_epoch);
///     log.write({"from_intended", 0, 60.0, latencies});
class histogram_log_writer {
 public:
  /// Takes     the stream, which must outlive the writer; the start time in seconds since the epoch.
  histogram_log_writer(std::ostream& out, double start_time);

  /// Writes one interval; the column of the maximum is in milliseconds, as the format's readers expect of nanoseconds.
  ///
  /// Throws    std::invalid_argument: the tag holds a comma, a blank or a line's end.
  void write(const histogram_interval& interval);

 private:
  std::ostream& out_;
};

/// Reads a histogram log's intervals.
///
/// Throws    histogram_format_error with the line's number.
std::vector<histogram_interval> read_histogram_log(std::istream& in);

}  // namespace martlet::loadtest
