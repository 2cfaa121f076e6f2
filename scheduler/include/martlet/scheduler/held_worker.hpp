#pragma once

#include <cstdint>

/// For who looks from outside whether a worker stays inside one tasklet. Both take a worker of a scheduler that is there.
namespace martlet::detail {

struct host;

/// Returns   how many turns tasklets have had at a worker: while the number stays it runs one of them, or nothing.
/// Threads   any.
std::uint64_t turns_of(const host& there) noexcept;

/// Serves the timers and the sockets of a worker that is held inside a tasklet, as an idle neighbour would: whoever can go
/// on is made ready.
///
/// Threads   any, though the worker may come back at any moment.
void look_after(host& held) noexcept;

}  // namespace martlet::detail
