#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

/// What every fuzz target is: called once for each input. libFuzzer calls it, or feed.cpp with the files of the corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace martlet::testing {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program when a claim does not hold, which is how a fuzzer finds out.
inline void claim(bool holds, const char* said) {
  if (!holds) {
    std::fprintf(stderr, "expected that %s\n", said);
    std::abort();
  }
}

}  // namespace martlet::testing
