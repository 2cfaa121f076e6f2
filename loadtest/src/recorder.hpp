#pragma once

#include <martlet/base/atomic.hpp>
#include <martlet/loadtest/results.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace martlet::loadtest {

/// A counter with one writer at a time that any thread may read. No locked instruction: the writer is alone.
class counter {
 public:
  // relaxed: a statistic; the final reading comes after the writers were joined.
  void add(std::uint64_t amount) noexcept { count_.store(count_.load(base::relaxed) + amount, base::relaxed); }
  void raise_to(std::uint64_t value) noexcept {
    if (value > count_.load(base::relaxed)) count_.store(value, base::relaxed);
  }
  std::uint64_t load() const noexcept { return count_.load(base::relaxed); }

 private:
  base::atomic<std::uint64_t> count_{0};
};

/// A histogram with one writer at a time, of which any thread may take a snapshot while it is written.
class histogram_recorder {
 public:
  histogram_recorder() : counts_(std::make_unique<counter[]>(histogram::bucket_count)) {}

  void record(std::uint64_t value) noexcept {
    counts_[histogram::index_of(value)].add(1);
    max_.raise_to(value);
    min_complement_.raise_to(~value);
  }

  /// Adds what has been recorded. While the writer is at work a value may be missing that came last.
  void add_to(histogram& sum) const {
    histogram read;
    for (std::size_t i = histogram::index_of(~min_complement_.load()), end = histogram::index_of(max_.load()) + 1;
         i < end; ++i)
      read.add(i, counts_[i].load());
    read.refine_extremes(~min_complement_.load(), max_.load());
    sum.merge(read);
  }

 private:
  std::unique_ptr<counter[]> counts_;
  counter max_;
  counter min_complement_;  // of nothing recorded: the minimum is the largest value there is
};

/// What one worker of an engine counts. Each worker writes to its own, so that no cache line is shared on the hot path;
/// the monitor reads all of them once a second.
class alignas(128) recorder {
 public:
  explicit recorder(std::size_t steps) : steps_(steps) {}

  void started(std::uint64_t lateness) noexcept {
    started_.add(1);
    lateness_.record(lateness);
  }

  /// Counts a request that got an answer with the expected status, or another one.
  void answered(std::size_t step, unsigned status, bool is_expected, std::uint64_t from_intended,
                std::uint64_t from_send) noexcept {
    if (status < statuses_.size()) statuses_[status].add(1);
    from_intended_.record(from_intended);
    from_send_.record(from_send);
    steps_[step].requests.add(1);
    if (is_expected) {
      succeeded_.add(1);
    } else {
      steps_[step].failed.add(1);
      failures_[static_cast<std::size_t>(failure::status)].add(1);
    }
  }

  /// Counts a request whose answer was waited for in vain. Its latency is the time waited, since leaving the slowest ones
  /// out would make the percentiles better the worse the server is.
  void timed_out(std::size_t step, std::uint64_t from_intended, std::uint64_t from_send) noexcept {
    from_intended_.record(from_intended);
    from_send_.record(from_send);
    failed(step, failure::timeout);
  }

  /// Counts a request that could not be sent because no connection came about in time.
  void connect_timed_out(std::size_t step, std::uint64_t from_intended) noexcept {
    from_intended_.record(from_intended);
    failed(step, failure::connect_timeout);
  }

  /// Counts a request that got no answer for another reason.
  void failed(std::size_t step, failure kind) noexcept {
    steps_[step].requests.add(1);
    steps_[step].failed.add(1);
    failures_[static_cast<std::size_t>(kind)].add(1);
  }

  void connected(std::uint64_t nanoseconds) noexcept {
    connections_opened_.add(1);
    connect_.record(nanoseconds);
  }
  void disconnected() noexcept { connections_closed_.add(1); }
  void dropped(std::uint64_t requests) noexcept { dropped_.add(requests); }
  void late() noexcept { late_.add(1); }
  void sent(std::uint64_t bytes) noexcept { bytes_sent_.add(bytes); }
  void received(std::uint64_t bytes) noexcept { bytes_received_.add(bytes); }

  /// Gives how many connections this worker opened and did not close; negative when it closed those of others.
  std::int64_t open_connections() const noexcept {
    return static_cast<std::int64_t>(connections_opened_.load()) -
           static_cast<std::int64_t>(connections_closed_.load());
  }

  void add_to(tally& sum) const {
    // Ends before starts, so that a snapshot never shows more ends than starts.
    sum.succeeded += succeeded_.load();
    for (std::size_t i = 0; i != failure_count; ++i) sum.failures[i] += failures_[i].load();
    sum.connections_closed += connections_closed_.load();
    sum.connections_opened += connections_opened_.load();
    sum.dropped += dropped_.load();
    sum.late += late_.load();
    sum.bytes_sent += bytes_sent_.load();
    sum.bytes_received += bytes_received_.load();
    for (std::size_t i = 0; i != statuses_.size(); ++i) sum.statuses[i] += statuses_[i].load();
    sum.steps.resize(std::max(sum.steps.size(), steps_.size()));
    for (std::size_t i = 0; i != steps_.size(); ++i) {
      sum.steps[i].failed += steps_[i].failed.load();
      sum.steps[i].requests += steps_[i].requests.load();
    }
    sum.started += started_.load();
    from_intended_.add_to(sum.from_intended);
    from_send_.add_to(sum.from_send);
    connect_.add_to(sum.connect);
    lateness_.add_to(sum.lateness);
  }

 private:
  struct step_counters {
    counter requests;
    counter failed;
  };

  counter started_;
  counter succeeded_;
  counter dropped_;
  counter late_;
  counter connections_opened_;
  counter connections_closed_;
  counter bytes_sent_;
  counter bytes_received_;
  std::array<counter, failure_count> failures_;
  std::array<counter, 600> statuses_;
  std::vector<step_counters> steps_;
  histogram_recorder from_intended_;
  histogram_recorder from_send_;
  histogram_recorder connect_;
  histogram_recorder lateness_;
};

}  // namespace martlet::loadtest
