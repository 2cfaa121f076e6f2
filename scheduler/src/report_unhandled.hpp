#pragma once

#include <exception>

#include <martlet/scheduler/options.hpp>
#include <martlet/tasklet/failure.hpp>

namespace martlet::detail {

/// Tells `options.on_unhandled`, or stderr, of a failure that nobody can join any more.
void report_unhandled(const scheduler_options& options, const std::exception_ptr& error, site where) noexcept;

}  // namespace martlet::detail
