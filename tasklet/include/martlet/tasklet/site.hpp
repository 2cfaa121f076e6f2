#pragma once

#include <cstdint>
#include <string>

namespace martlet {

/// Names a place in the source: where a tasklet was spawned.
///
/// Take it as a last parameter, `site where = site::here()`, and it is the caller's place.
///
/// Cost      eight bytes: the file's name in 48 bits, the line in 16 (longer files count as line 65,535).
class site {
 public:
  constexpr site() noexcept = default;

  static site here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) noexcept {
    return site(reinterpret_cast<std::uintptr_t>(file) | std::uint64_t{line < 0xffffU ? line : 0xffffU} << 48);
  }

  /// Returns   the file's name as the compiler was given it; "" when unknown.
  const char* file() const noexcept {
    const auto* name = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(packed_ & 0xffff'ffff'ffffU));
    return name == nullptr ? "" : name;
  }

  unsigned line() const noexcept { return static_cast<unsigned>(packed_ >> 48); }

  /// Returns   "file:line", or "an unknown place".
  std::string text() const {
    return packed_ == 0 ? "an unknown place" : std::string(file()) + ':' + std::to_string(line());
  }

 private:
  explicit site(std::uint64_t packed) noexcept : packed_(packed) {}

  std::uint64_t packed_ = 0;
};

}  // namespace martlet
