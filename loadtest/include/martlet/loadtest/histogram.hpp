#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace martlet::loadtest {

/// Counts values in buckets whose width grows with the value, so that every value is known to 3 significant digits.
///
/// The layout is HdrHistogram's for a lowest value of 1 and 3 digits: values below 2,048 have a bucket each, and above
/// that every power of two is cut into 1,024 equal buckets. A bucket is therefore never wider than 1/1,024 of the values
/// in it. Two histograms are merged exactly, by adding counts. Use it for latencies in nanoseconds; any unsigned 64-bit
/// value fits. Do not share one between threads that write: give each writer its own and merge them.
///
///     histogram latencies;
///     for (auto ns : {1'200'000u, 1'350'000u, 9'000'000u}) latencies.record(ns);
///     latencies.percentile(50);   // 1,350,655: the upper end of the bucket of the second value
///     latencies.max();            // 9,000,000, exactly
///
/// Cost      440 KiB, always; a record is a shift, an addition and two comparisons.
/// Source    hdrhistogram.org (the layout, and what a percentile means)
class histogram {
 public:
  using value_type = std::uint64_t;

  static constexpr int significant_digits = 3;
  static constexpr unsigned half_bits = 10;  // 1,024 buckets a power of two
  static constexpr std::size_t half_count = std::size_t{1} << half_bits;
  static constexpr std::size_t bucket_count = (64 - half_bits) * half_count + half_count;

  /// Gives the bucket that counts `value`.
  static constexpr std::size_t index_of(value_type value) noexcept {
    // The lowest 2,048 values share exponent 0; or-ing keeps bit_width from going below theirs.
    const auto exponent = static_cast<unsigned>(std::bit_width(value | (2 * half_count - 1))) - (half_bits + 1);
    return (static_cast<std::size_t>(exponent) << half_bits) + static_cast<std::size_t>(value >> exponent);
  }

  /// Gives the smallest value that bucket `index` counts.
  static constexpr value_type lowest_of(std::size_t index) noexcept {
    const auto exponent = exponent_of(index);
    return (static_cast<value_type>(index) - (static_cast<value_type>(exponent) << half_bits)) << exponent;
  }

  /// Gives the largest value that bucket `index` counts.
  static constexpr value_type highest_of(std::size_t index) noexcept {
    return lowest_of(index) + ((value_type{1} << exponent_of(index)) - 1);
  }

  histogram() : counts_(std::make_unique<std::uint64_t[]>(bucket_count)) {}
  histogram(const histogram& other) : histogram() { *this = other; }
  histogram(histogram&&) noexcept = default;
  histogram& operator=(histogram&&) noexcept = default;
  ~histogram() = default;

  histogram& operator=(const histogram& other) {
    if (this == &other) return *this;
    clear();
    merge(other);
    return *this;
  }

  /// Counts one value.
  void record(value_type value) noexcept { record(value, 1); }

  /// Counts the same value `times` times.
  void record(value_type value, std::uint64_t times) noexcept {
    if (times == 0) return;
    counts_[index_of(value)] += times;
    total_ += times;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  /// Counts a value, and the ones that a client which waited for it could not send: value - interval, value - 2 interval
  /// and so on, down to the interval. This makes up for a generator that stood still (coordinated omission).
  ///
  /// When      the intended starts were not kept. Measuring from the intended start is exact and needs no correction.
  /// Takes     the interval in the value's unit; 0 corrects nothing.
  /// Cost      O(buckets) however many values were missed.
  void record_corrected(value_type value, value_type expected_interval) noexcept {
    record_corrected(value, expected_interval, 1);
  }

  /// Counts what `other` counted. Exact: no order of merging changes the result.
  void merge(const histogram& other) noexcept {
    if (other.total_ == 0) return;
    const auto end = index_of(other.max_) + 1;
    for (auto i = index_of(other.min_); i != end; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  /// Gives what was counted after `earlier`, an older copy of this histogram, was made. Its minimum and maximum are those
  /// of their buckets.
  histogram since(const histogram& earlier) const {
    histogram difference;
    for_each([&](std::size_t i, std::uint64_t count) {
      if (count > earlier.counts_[i]) difference.add(i, count - earlier.counts_[i]);
    });
    return difference;
  }

  /// Gives a copy in which every value was counted with `record_corrected`.
  histogram corrected(value_type expected_interval) const {
    histogram result;
    for_each([&](std::size_t i, std::uint64_t count) {
      result.record_corrected(std::min(highest_of(i), max_), expected_interval, count);
    });
    return result;
  }

  /// Adds to one bucket, as a decoder or a merger of other counters does; the minimum and maximum become its ends.
  void add(std::size_t index, std::uint64_t times) noexcept {
    if (times == 0) return;
    counts_[index] += times;
    total_ += times;
    min_ = std::min(min_, lowest_of(index));
    max_ = std::max(max_, highest_of(index));
  }

  /// Replaces the bucket ends by extremes that are known exactly, where they lie in the same buckets.
  void refine_extremes(value_type smallest, value_type largest) noexcept {
    if (total_ == 0) return;
    if (index_of(smallest) == index_of(min_)) min_ = smallest;
    if (index_of(largest) == index_of(max_)) max_ = largest;
  }

  /// Forgets all values; makes a histogram that was moved from usable again.
  void clear() {
    if (counts_ == nullptr) counts_ = std::make_unique<std::uint64_t[]>(bucket_count);
    std::fill_n(counts_.get(), bucket_count, 0);
    total_ = 0;
    min_ = std::numeric_limits<value_type>::max();
    max_ = 0;
  }

  std::uint64_t count() const noexcept { return total_; }
  bool is_empty() const noexcept { return total_ == 0; }

  /// Gives how often bucket `index` was hit.
  std::uint64_t count_at(std::size_t index) const noexcept { return counts_[index]; }

  /// Gives the smallest value, exactly; 0 when there is none.
  value_type min() const noexcept { return total_ == 0 ? 0 : min_; }

  /// Gives the largest value, exactly; 0 when there is none.
  value_type max() const noexcept { return max_; }

  /// Gives the mean of the buckets' middles: within 0.05% of the values' own mean. 0 when there is none.
  double mean() const noexcept {
    if (total_ == 0) return 0;
    double sum = 0;
    for_each([&](std::size_t i, std::uint64_t count) { sum += middle_of(i) * static_cast<double>(count); });
    return sum / static_cast<double>(total_);
  }

  /// Gives the standard deviation over the buckets' middles; 0 when there is no value.
  double standard_deviation() const noexcept {
    if (total_ == 0) return 0;
    const double centre = mean();
    double sum = 0;
    for_each([&](std::size_t i, std::uint64_t count) {
      const double distance = middle_of(i) - centre;
      sum += distance * distance * static_cast<double>(count);
    });
    return std::sqrt(sum / static_cast<double>(total_));
  }

  /// Gives a value that at least `percent` per cent of the values do not exceed: the upper end of the bucket of the value
  /// at rank ceil(percent / 100 * count), and never more than the maximum. At most 1/1,024 above that value.
  ///
  /// Takes     0 to 100; 100 gives the maximum, 0 the bucket of the minimum.
  /// Returns   0 when there is no value.
  /// Cost      O(buckets).
  value_type percentile(double percent) const noexcept {
    if (total_ == 0) return 0;
    // 99.9 / 100 * 1000 must not become rank 1000 because it was rounded up to 999.0000001: go one step down first.
    const double wanted = std::nextafter(std::clamp(percent, 0.0, 100.0), -1.0) / 100 * static_cast<double>(total_);
    const auto rank =
        std::clamp(static_cast<std::uint64_t>(std::ceil(std::max(wanted, 0.0))), std::uint64_t{1}, total_);
    std::uint64_t seen = 0;
    for (auto i = index_of(min_);; ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(highest_of(i), max_);
    }
  }

  /// Gives how many values lie in the buckets up to that of `value`.
  std::uint64_t count_up_to(value_type value) const noexcept {
    std::uint64_t seen = 0;
    for (std::size_t i = 0, end = index_of(value) + 1; i != end; ++i) seen += counts_[i];
    return seen;
  }

  /// Calls `visit(index, count)` for each bucket that is not empty, from low to high.
  template <class Visit>
  void for_each(Visit&& visit) const {
    if (total_ == 0) return;
    for (auto i = index_of(min_), end = index_of(max_) + 1; i != end; ++i)
      if (counts_[i] != 0) visit(i, counts_[i]);
  }

  /// Calls `visit(first, last, count)` for each step of equal width, first to last inclusive, from 0 until all values are
  /// told. A bucket is told in the step in which it ends.
  ///
  /// Takes     the width, at least 1. A step narrower than a bucket may be empty beside a full one.
  template <class Visit>
  void for_each_linear(value_type width, Visit&& visit) const {
    std::uint64_t told = 0;
    std::size_t i = 0;
    for (value_type from = 0; told != total_; from += width) {
      const value_type last = from > std::numeric_limits<value_type>::max() - width
                                  ? std::numeric_limits<value_type>::max()
                                  : from + (width - 1);
      std::uint64_t here = 0;
      for (; i != bucket_count && std::min(highest_of(i), max_) <= last && told + here != total_; ++i)
        here += counts_[i];
      visit(from, last, here);
      told += here;
    }
  }

  friend bool operator==(const histogram& a, const histogram& b) noexcept {
    return a.total_ == b.total_ && a.min_ == b.min_ && a.max_ == b.max_ &&
           std::equal(a.counts_.get(), a.counts_.get() + bucket_count, b.counts_.get());
  }

 private:
  static constexpr unsigned exponent_of(std::size_t index) noexcept {
    return index < 2 * half_count ? 0 : static_cast<unsigned>(index >> half_bits) - 1;
  }

  static double middle_of(std::size_t index) noexcept {
    return (static_cast<double>(lowest_of(index)) + static_cast<double>(highest_of(index))) / 2;
  }

  void record_corrected(value_type value, value_type interval, std::uint64_t times) noexcept {
    record(value, times);
    if (interval == 0 || value < interval) return;
    // Whole buckets at a time: the missed values from `missed` down to the bucket's lower end are an arithmetic series.
    for (value_type missed = value - interval; missed >= interval;) {
      const value_type floor = std::max(lowest_of(index_of(missed)), interval);
      const value_type steps = (missed - floor) / interval;
      record(missed, (steps + 1) * times);
      const value_type last = missed - steps * interval;
      min_ = std::min(min_, last);
      if (last < 2 * interval) break;
      missed = last - interval;
    }
  }

  std::unique_ptr<std::uint64_t[]> counts_;
  std::uint64_t total_ = 0;
  value_type min_ = std::numeric_limits<value_type>::max();
  value_type max_ = 0;
};

}  // namespace martlet::loadtest
