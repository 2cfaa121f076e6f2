#pragma once

#include <string>
#include <vector>

#include <pthread.h>

namespace martlet::base {

/// A processor, which is one hardware thread, and where in the machine it is.
struct processor {
  unsigned number = 0;   // the system's
  unsigned core = 0;     // shared with its sibling hardware threads
  unsigned package = 0;  // the chip
  unsigned node = 0;     // the memory that is near (NUMA)

  friend bool operator==(const processor&, const processor&) = default;
};

/// Lists the processors that the calling thread may use, in the order in which threads are best put on them: one hardware
/// thread of each core before the second of any, and of these those of one node together.
///
/// hwloc knows the machine. What it does not know, or all where martlet was built without it, is taken to be flat: each
/// processor a core of its own, all near to each other.
///
/// Returns   an empty list when the system does not tell which may be used.
/// Cost      milliseconds.
std::vector<processor> processors_in_order();

/// Lists in the same order those of a machine that is described in hwloc's words, "node:2 core:4 pu:2". For tests.
///
/// Returns   an empty list without hwloc, or when it does not understand.
std::vector<processor> processors_of(const std::string& description);

/// Keeps a thread on one processor.
///
/// Returns   0, or the number of the error.
int pin_thread(pthread_t thread, unsigned number) noexcept;

}  // namespace martlet::base
