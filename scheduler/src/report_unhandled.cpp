#include "report_unhandled.hpp"

#include <cstdio>
#include <string>

#include <martlet/tasklet/failure.hpp>

namespace martlet::detail {

void report_unhandled(const scheduler_options& options, const std::exception_ptr& error, site where) noexcept {
  if (is_cancellation(error)) {
    return;  // it was asked to stop, and did
  }
  if (options.on_unhandled) {
    options.on_unhandled(error, where);
    return;
  }
  const std::string line =
      "martlet: a tasklet spawned at " + where.text() + " failed and nobody joined it: " + text_of(error) + '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace martlet::detail
