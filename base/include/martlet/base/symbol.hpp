#pragma once

#include <string>

namespace martlet::base {

/// Says which function begins at an address, or contains it, for reports.
///
/// Returns   its name as it was written, where the dynamic linker knows it (a library's, or a program's linked with
///           -rdynamic); else the file and the offset in it, which `addr2line -Cfe file offset` translates.
/// Cost      microseconds; allocates.
std::string symbol_at(const void* code);

}  // namespace martlet::base
