#include "explore.hpp"

#include <chrono>
#include <cstdio>

namespace martlet::model {

report explore(const std::function<void()>& program, const options& how) {
  const auto began = std::chrono::steady_clock::now();
  execution paths(how.seed, how.reduces, how.orders);
  report found;
  while (!found.is_complete && found.executions + found.redundant < how.most) {
    if (!paths.run(program)) {
      found.failure = paths.failure();
      break;
    }
    ++(paths.is_redundant() ? found.redundant : found.executions);
    found.is_complete = !paths.advance();
  }
  if (how.seed != 0) {
    found.is_complete = found.failure.empty();
  }
  found.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return found;
}

void print(const char* name, const report& found) {
  std::printf("%s: %llu executions, %llu redundant, %.2f s%s\n%s", name,
              static_cast<unsigned long long>(found.executions), static_cast<unsigned long long>(found.redundant),
              found.seconds, found.failure.empty() ? "" : ", then it failed:", found.failure.c_str());
  std::fflush(stdout);
}

}  // namespace martlet::model
