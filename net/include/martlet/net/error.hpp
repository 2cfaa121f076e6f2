#pragma once

#include <string>
#include <system_error>

namespace martlet::net {

/// What only this room can report; all else is an error of the system, `std::system_category()`.
enum class errc {
  closed = 1,  // the socket was closed on this side, before or during the operation
};

/// Returns   the category of `errc`; its name is "martlet.net".
const std::error_category& error_category() noexcept;

inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

/// Thrown by an operation whose socket was closed on this side, before it began or while it waited.
///
/// It is an error of its own because it usually means "somebody asked me to stop", which a server answers by leaving
/// its loop. The other side's end is no error: a read then gives 0 bytes.
class socket_closed final : public std::system_error {
 public:
  explicit socket_closed(const std::string& what) : std::system_error(make_error_code(errc::closed), what) {}
};

}  // namespace martlet::net

template <>
struct std::is_error_code_enum<martlet::net::errc> : std::true_type {};
