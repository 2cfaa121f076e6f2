#include "report_unhandled.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include <martlet/scheduler/scope.hpp>
#include <martlet/tasklet/errors.hpp>

namespace martlet::detail {
namespace {

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const cancelled&) {
    return true;
  } catch (const scope_failed& all) {
    return std::all_of(all.errors().begin(), all.errors().end(), is_cancellation);
  } catch (...) {
    return false;
  }
}

}  // namespace

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
