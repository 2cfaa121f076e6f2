#pragma once

#include <cstdio>

#include "in_child.hpp"

/// Says on stderr what does not hold.
inline bool holds(bool claim, const char* sentence) {
  if (!claim) {
    std::fprintf(stderr, "does not hold: %s\n", sentence);
  }
  return claim;
}
