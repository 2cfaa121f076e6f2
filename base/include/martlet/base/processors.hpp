#pragma once

namespace martlet::base {

/// Counts the processors that this process may use.
///
/// Returns   the smaller of the affinity mask and the control group's quota (`cpu.max`, rounded up); at least 1.
unsigned usable_processors() noexcept;

}  // namespace martlet::base
