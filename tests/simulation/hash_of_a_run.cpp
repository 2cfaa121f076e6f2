// Prints the hash of a simulated run, for a test that runs it in two processes.
//
// Takes     a seed.

#include <cstdio>
#include <cstdlib>
#include <memory>

#include <unistd.h>

#include "some_program.hpp"

int main(int count, char** values) {
  const std::unique_ptr<char[]> shift(
      new char[static_cast<std::size_t>(::getpid()) % 5000 + 1]);  // other addresses too
  martlet::simulation sim(count < 2 ? 1 : std::strtoull(values[1], nullptr, 10));
  static_cast<void>(martlet::testing::run_some_program(sim));
  std::printf("%llx\n", static_cast<unsigned long long>(sim.hash()));
}
