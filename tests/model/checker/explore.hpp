#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "execution.hpp"

/// Explores what a small concurrent program may do, in every interleaving and under C++'s memory model.
///
///     outcomes<int, int> seen;
///     const report found = explore([&] {
///       base::atomic<int> x{0}, y{0};
///       int a = 0, b = 0;
///       run_threads({{"left", [&] { x.store(1, base::relaxed); a = y.load(base::relaxed); }},
///                    {"right", [&] { y.store(1, base::relaxed); b = x.load(base::relaxed); }}});
///       seen.note(a, b);
///     });
///
/// The program is run again and again, each time on another path, so it makes all that it uses anew and does the same
/// on the same path. What is shared are `base::atomic` and `var`; locals that one thread alone uses need neither.
namespace martlet::model {

struct options {
  bool reduces = true;              // leave out executions that differ only in the order of steps that commute
  std::uint64_t seed = 0;           // 0: every path; else random ones
  std::uint64_t most = 20'000'000;  // executions: how many random ones, or when to give up
  model::orders orders{};           // which order to change, or where to list them
};

struct report {
  std::uint64_t executions = 0;  // none of them like another, unless they are random
  std::uint64_t redundant = 0;   // begun, and found to repeat others
  double seconds = 0;
  bool is_complete = false;  // every path has been seen, or as many random ones as were asked for
  std::string failure;       // what went wrong and the steps that led there; empty when nothing did

  bool holds() const { return failure.empty() && is_complete; }
};

/// Runs a program on all its paths, or until one fails.
report explore(const std::function<void()>& program, const options& how = {});

/// Writes a report's numbers, and how it failed if it did, to standard output.
void print(const char* name, const report& found);

// ---- for the program

/// Runs threads and waits for their ends.
inline void run_threads(std::initializer_list<thread> threads) { execution::current().start_and_join(threads); }

/// Makes light and heavy fences full ones. Call it first.
inline void forbid_membarrier() { execution::current().forbid_membarrier(); }

/// Looks for data races as ThreadSanitizer does, which knows no fences. Call it first.
inline void look_as_thread_sanitizer() { execution::current().forget_order_of_fences(); }

/// Fails when the condition does not hold. Takes the sentence that should have been true.
inline void require(bool condition, const char* sentence) {
  if (!condition) {
    execution::current().fail(std::string("it is not true that ") + sentence);
  }
}

/// What the executions of a program have found. Redundant ones are left out, so that a test sees when the reduction
/// leaves out too much.
template <class... T>
class outcomes {
 public:
  void note(T... values) {
    if (!execution::current().is_redundant()) {
      seen_.insert({values...});
    }
  }
  const std::set<std::tuple<T...>>& all() const { return seen_; }

 private:
  std::set<std::tuple<T...>> seen_;
};

}  // namespace martlet::model
