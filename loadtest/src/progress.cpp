#include "progress.hpp"

#include "duration.hpp"

#include <martlet/loadtest/report.hpp>

#include <sys/ioctl.h>
#include <algorithm>
#include <cmath>

namespace martlet::loadtest {

using std::chrono::nanoseconds;

std::string progress::line(nanoseconds elapsed, const tally& counts, nanoseconds elapsed_before, const tally& before) {
  const auto seconds = std::chrono::duration<double>(elapsed - elapsed_before).count();
  const auto finished = counts.finished() - before.finished();
  const auto rate = seconds > 0 ? static_cast<double>(finished) / seconds : 0;
  const auto recent = counts.from_intended.since(before.from_intended);

  std::string text = std::to_string(std::lround(std::chrono::duration<double>(elapsed).count())) + " s: ";
  text += grouped(counts.finished()) + " requests, " + grouped(static_cast<std::uint64_t>(std::llround(rate))) +
          " a second";
  if (!recent.is_empty()) {
    const auto time = [&](double percent) {
      return to_text(nanoseconds(static_cast<std::int64_t>(recent.percentile(percent))));
    };
    text += ", p50 " + time(50) + ", p99 " + time(99);
  }
  text += "; " + grouped(counts.open_connections()) + " open, " + grouped(counts.failed()) + " errors";
  if (counts.dropped != 0) text += ", " + grouped(counts.dropped) + " dropped";
  return text;
}

void progress::show(nanoseconds elapsed, tally counts) {
  auto text = line(elapsed, counts, elapsed_, counts_);
  // A line that wrapped could not be rewritten in place.
  winsize window{};
  if (in_place_ && ::ioctl(::fileno(out_), TIOCGWINSZ, &window) == 0 && window.ws_col != 0)
    text.resize(std::min<std::size_t>(text.size(), window.ws_col - 1U));
  // \r goes back to the line's begin, ESC [ K clears what the last one left there.
  if (in_place_) std::fprintf(out_, "\r%s\x1b[K", text.c_str());
  else std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
  is_shown_ = true;
  elapsed_ = elapsed;
  counts_ = std::move(counts);
}

void progress::finish() {
  if (in_place_ && is_shown_) {
    std::fputs("\r\x1b[K", out_);
    std::fflush(out_);
  }
  is_shown_ = false;
}

}  // namespace martlet::loadtest
