#pragma once

#include <cstdint>

// The floating point state that belongs to a flow: MXCSR's control bits (denormals, masks, rounding) in the low half,
// the x87 control word in the high half. Not the sticky flags below MXCSR's control bits: reloading a changed MXCSR
// costs 69 ns on Sapphire Rapids, and an inexact division is enough to change the flags.
namespace martlet::detail {

inline constexpr std::uint32_t mxcsr_control = 0xffc0;

// Cost about 3.5 ns on Zen 5, nearly all of it for storing MXCSR; that is why a round trip reads only once.
inline std::uint32_t read_control_bits() noexcept {
  std::uint16_t x87 = 0;
  asm volatile("fnstcw %0" : "=m"(x87));
  return (__builtin_ia32_stmxcsr() & mxcsr_control) | std::uint32_t{x87} << 16;
}

[[gnu::noinline, gnu::cold]] inline void load_control_bits(std::uint32_t bits) noexcept {
  __builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() & ~mxcsr_control) | (bits & mxcsr_control));
  const auto x87 = static_cast<std::uint16_t>(bits >> 16);
  // A flag that somebody else left behind would trap in this flow if its control word asks for traps.
  asm volatile("fnclex\n\tfldcw %0" : : "m"(x87));
}

}  // namespace martlet::detail
