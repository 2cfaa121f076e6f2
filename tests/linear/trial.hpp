#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "actors.hpp"
#include "checker.hpp"
#include "dice.hpp"
#include "jitter/jitter.hpp"
#include "scale.hpp"

/// Many histories, each drawn from a seed, run and checked.
namespace martlet::testing {

/// Returns   the seed that MARTLET_LINEAR_SEED asks for: then the program that it gives is run again and again. What
///           the actors do is the same then, not when: their threads are real.
inline std::optional<std::uint64_t> asked_seed() {
  const char* asked = std::getenv("MARTLET_LINEAR_SEED");
  return asked == nullptr ? std::nullopt : std::optional<std::uint64_t>(std::strtoull(asked, nullptr, 10));
}

/// Returns   how many histories to run at the level of this run. Most of their time is waiting, so that a sanitizer
///           makes them less slow than other tests.
inline int histories(int quick, int stress) {
  const int all = test_level() == level::quick ? quick : stress;
  return is_watched ? all / 3 : all;
}

/// What was run, all together.
struct trial_sums {
  int histories = 0;
  long operations = 0;
  long overlapped = 0;  // operations that were not over before another one began or ended
  long positions = 0;   // that the checker looked at
};

/// Whether threads pause before their operations on atomics.
enum class pauses { never, drawn };

/// Runs one history.
///
/// Takes     `more`, which goes to the subject's constructor.
/// Returns   the history and what is wrong with it; nothing when it is allowed.
template <class Subject, class... More>
std::optional<std::string> refusal_of(scheduler& pool, std::uint64_t seed, pauses how, trial_sums& sums,
                                      const More&... more) {
  dice random(seed);
  Subject subject(random, more...);
  const auto scripts = draw_scripts(random, subject);
  const std::string title = subject.name() + ", " + std::to_string(pool.worker_count()) +
                            " workers, MARTLET_LINEAR_SEED=" + std::to_string(seed) + "\n" + text_of(scripts);
  const history all = [&] {
    const jitter until_all_have_come_to_their_ends(how == pauses::drawn ? seed : 0);
    return actors<Subject>(pool, subject, scripts, random, title).run();
  }();
  const verdict found = check(subject.specification(), all);
  ++sums.histories;
  sums.operations += static_cast<long>(all.size());
  sums.positions += static_cast<long>(found.positions);
  for (const operation& one : all) {
    sums.overlapped += one.responded > one.invoked + 1 ? 1 : 0;
  }
  if (found.is_allowed && subject.is_balanced()) {
    return std::nullopt;
  }
  std::string text = title + (found.is_allowed ? "\nvalues were lost or ended twice:\n" : "\nno order explains:\n") +
                     text_of(all) + "as far as an order was found:";
  for (const std::size_t which : found.order) {
    text += " " + std::to_string(which);
  }
  return text;
}

/// Runs histories on schedulers of two and three workers, and fails at the first that is not allowed.
template <class Subject, class... More>
void check_histories(int count, const More&... more) {
  trial_sums sums;
  for (const int workers : {2, 3}) {
    scheduler pool(workers);
    for (int i = 0; i < count / 2; ++i) {
      const auto seed = asked_seed().value_or(static_cast<std::uint64_t>(2 * i + workers));
      // Every fourth without pauses: they also keep threads apart that would else meet at one place.
      const pauses how = seed / 2 % 4 == 0 ? pauses::never : pauses::drawn;
      if (const auto wrong = refusal_of<Subject>(pool, seed, how, sums, more...)) {
        FAIL(*wrong);
      }
    }
  }
  MESSAGE(sums.histories, " histories, ", sums.operations, " operations, ", sums.overlapped,
          " of them overlapped others, ", sums.positions, " positions looked at");
}

/// Returns   how many histories it took until one was refused; 0 when none was.
template <class Subject, class... More>
int histories_until_refused(int most, const More&... more) {
  trial_sums sums;
  scheduler pool(2);
  for (int i = 1; i <= most; ++i) {
    if (refusal_of<Subject>(pool, static_cast<std::uint64_t>(i), pauses::drawn, sums, more...)) {
      return i;
    }
  }
  return 0;
}

/// Returns   how many of so many histories are refused.
template <class Subject, class... More>
int refused_of(int count, pauses how, const More&... more) {
  trial_sums sums;
  scheduler pool(2);
  int refused = 0;
  for (int i = 1; i <= count; ++i) {
    refused += refusal_of<Subject>(pool, static_cast<std::uint64_t>(i), how, sums, more...) ? 1 : 0;
  }
  return refused;
}

}  // namespace martlet::testing
