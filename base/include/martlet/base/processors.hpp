#pragma once

#include <string>

namespace martlet::base {

/// Counts the processors that this process may use.
///
/// Returns   the smaller of the affinity mask and the control groups' quota; at least 1.
unsigned usable_processors() noexcept;

/// Reads how much processor time the control groups of this process leave it: of version 1 (`cpu.cfs_quota_us`), of version 2
/// (`cpu.max`), or of both side by side, wherever they are mounted. A parent's quota binds too.
///
/// Takes     the folder that stands for `/`; another than "" is for tests.
/// Returns   the smallest quota in processors, rounded up; 0 when there is none. What cannot be read sets none.
unsigned control_group_quota(const std::string& root = {});

}  // namespace martlet::base
