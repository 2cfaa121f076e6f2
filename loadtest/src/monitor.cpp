#include "monitor.hpp"

#include "duration.hpp"

#include <martlet/base/atomic.hpp>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <system_error>

namespace martlet::loadtest {
namespace {

using std::chrono::nanoseconds;

constexpr base::instant sampling = 50'000'000;  // ns between looks at the open connections
constexpr base::instant line_interval = 1'000'000'000;
constexpr double tolerated_share = 0.01;

[[noreturn]] void give_up(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

sigset_t both_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  return set;
}

nanoseconds cpu_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto time = [](const timeval& value) {
    return std::chrono::seconds(value.tv_sec) + std::chrono::microseconds(value.tv_usec);
  };
  return time(used.ru_utime) + time(used.ru_stime);
}

std::uint64_t peak_memory() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

// Carries the engine's end to the thread that polls.
class end_notice {
 public:
  end_notice() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) give_up("cannot make an eventfd");
  }
  end_notice(const end_notice&) = delete;
  end_notice& operator=(const end_notice&) = delete;
  ~end_notice() { ::close(descriptor_); }

  void tell() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written =
        ::write(descriptor_, &one, sizeof(one));  // it cannot fail: the count is 0 or 1
  }
  int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

std::string percent_text(double share) {
  std::array<char, 32> text;
  return {text.data(),
          std::to_chars(text.data(), text.data() + text.size(), share * 100, std::chars_format::fixed, 1).ptr};
}

}  // namespace

stop_signals::stop_signals() : descriptor_(-1) {
  const auto set = both_signals();
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) give_up("cannot block signals");
  descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor_ < 0) give_up("cannot make a signalfd");
}

stop_signals::~stop_signals() {
  release();
  ::close(descriptor_);
}

void stop_signals::release() {
  if (is_released_) return;
  is_released_ = true;
  signalfd_siginfo taken{};
  while (::read(descriptor_, &taken, sizeof(taken)) > 0) {}
  const auto set = both_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

run_results watch(engine& runner, const scenario& what, stop_signals& signals, progress* line) {
  end_notice ended;
  run_results results;
  results.workers = runner.workers();
  results.started_at = std::chrono::system_clock::now();
  const auto cpu_before = cpu_time();
  const auto begin = base::now();
  base::atomic<base::instant> end{0};
  runner.start([&] {
    end.store(base::now(), base::release);  // [monitor.end]
    ended.tell();
  });

  struct stopper {  // whatever happens, nobody tells an end that is no longer there
    explicit stopper(engine& whom) : runner(whom) {}
    stopper(const stopper&) = delete;
    stopper& operator=(const stopper&) = delete;
    ~stopper() {
      if (is_needed) runner.stop();
    }
    engine& runner;
    bool is_needed = true;
  } unless_ended(runner);

  auto next_line = begin + line_interval;
  for (;;) {
    std::array<pollfd, 2> waiting{{{ended.descriptor(), POLLIN, 0}, {signals.descriptor(), POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(sampling / 1'000'000));
    if (ready < 0 && errno != EINTR) give_up("cannot wait for the run's end");
    results.most_open = std::max(results.most_open, runner.open_connections());
    if (ready > 0 && waiting[0].revents != 0) break;
    if (ready > 0 && waiting[1].revents != 0) {
      results.ended = outcome::aborted;
      break;
    }
    if (line != nullptr && base::now() >= next_line) {
      line->show(nanoseconds(base::now() - begin), runner.counts());
      next_line += line_interval;
    }
  }

  const auto stopped = base::now();
  if (results.ended == outcome::aborted) {
    signals.release();
    results.counts = runner.counts();  // before the users are ended: that must not look like errors
    runner.stop();
    unless_ended.is_needed = false;
  } else {
    runner.finish();
    unless_ended.is_needed = false;
    results.counts = runner.counts();
  }
  if (results.counts.connections_opened != 0) {
    results.most_open = std::max<std::uint64_t>(results.most_open, 1);  // too short a run for a sample
  }
  const auto last = end.load(base::acquire);  // [monitor.end]
  results.wall = nanoseconds((results.ended == outcome::aborted || last == 0 ? stopped : last) - begin);
  results.cpu = cpu_time() - cpu_before;
  results.peak_memory = peak_memory();
  if (line != nullptr) line->finish();
  judge_saturation(results, what);
  return results;
}

void judge_saturation(run_results& results, const scenario& what) {
  const auto* constant = std::get_if<constant_rate_model>(&what.model);
  const auto allowed = constant != nullptr ? constant->late_after : constant_rate_model{}.late_after;
  const auto& lateness = results.counts.lateness;
  if (lateness.is_empty()) return;
  const auto late = lateness.count() - lateness.count_up_to(static_cast<std::uint64_t>(allowed.count()));
  const auto share = static_cast<double>(late) / static_cast<double>(lateness.count());
  if (share <= tolerated_share) return;
  results.saturation = "the generator itself began " + percent_text(share) + "% of the requests more than " +
                       to_text(allowed) + " late: these latencies are partly its own; give it more cores or less to do";
  if (constant != nullptr && results.ended == outcome::passed) results.ended = outcome::saturated;
}

}  // namespace martlet::loadtest
