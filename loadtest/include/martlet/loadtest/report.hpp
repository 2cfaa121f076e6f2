#pragma once

#include <martlet/loadtest/results.hpp>
#include <martlet/loadtest/scenario.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace martlet::loadtest {

/// Writes the summary that people read: a few lines and a table of percentiles.
std::string summary(const scenario& what, const run_results& results);

/// Writes the report that programs read; loadtest/README.md lists its keys.
std::string json_report(const scenario& what, const run_results& results);

/// Writes the histograms as an HdrHistogram log with the tags from_intended, from_send, connect and lateness.
std::string histogram_log(const run_results& results);

/// Writes a file as a whole or not at all: beside it, to the disk, then renamed.
///
/// Throws    std::system_error whose text names the file.
void write_file(const std::filesystem::path& file, std::string_view contents);

/// Writes a count with commas between thousands: "1,234,567".
std::string grouped(std::uint64_t count);

/// Writes a number of bytes for people: "1.23 MB" (a million bytes).
std::string bytes_text(std::uint64_t bytes);

}  // namespace martlet::loadtest
