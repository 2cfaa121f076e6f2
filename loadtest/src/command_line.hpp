#pragma once

namespace martlet::loadtest {

/// Runs martlet-load with the arguments of main.
///
/// Returns   the exit code; loadtest/README.md lists them.
int run_command_line(int argc, const char* const* argv);

}  // namespace martlet::loadtest
