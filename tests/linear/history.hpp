#pragma once

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <martlet/base/atomic.hpp>

#include "operation.hpp"

namespace martlet::testing {

/// Orders the moments of one history.
///
/// An actor takes a moment before it makes a call and one after the call is over, both from one counter. So when the
/// end of one call has a smaller number than the beginning of another, the first was really over before the second
/// began: the additions have one order, and each happens before the next. Of the others we do not know, and the checker
/// tries both orders. Recorded intervals are a little longer than the true ones, so a right history is never refused.
///
/// Each addition synchronises with all before it, which could hide a data race from ThreadSanitizer. The tests of the
/// rooms look for those; here we look for wrong answers.
class moments {
 public:
  unsigned next() { return now_.fetch_add(1, base::seq_cst); }
  unsigned last() const { return now_.load(base::seq_cst); }

 private:
  base::atomic<unsigned> now_{1};
};

/// What one actor does, written down by itself alone.
class diary {
 public:
  diary(int actor, moments& time) : actor_(actor), time_(&time) { entries_.reserve(room); }

  /// Notes that a call is about to be made.
  void begin(const call& what) {
    entries_.push_back({.actor = actor_, .what = what, .invoked = 0, .responded = operation::never, .got = {}});
    entries_.back().invoked = time_->next();  // the last before the call
  }

  /// Notes how the call that has begun ended.
  void end(const result& got) {
    const unsigned now = time_->next();  // the first after the call
    entries_.back().got = got;
    entries_.back().responded = now;
  }

  /// Takes the call that has begun out again: it was no call after all.
  void forget() { entries_.pop_back(); }

  int actor() const { return actor_; }
  const std::vector<operation>& entries() const { return entries_; }

 private:
  static constexpr std::size_t room = 64;

  int actor_;
  moments* time_;
  std::vector<operation> entries_;
};

using history = std::vector<operation>;

/// Returns   all entries, in the order in which the calls were made.
inline history merged(std::span<const diary> all) {
  history whole;
  for (const diary& one : all) {
    whole.insert(whole.end(), one.entries().begin(), one.entries().end());
  }
  std::sort(whole.begin(), whole.end(), [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
  return whole;
}

inline std::string text_of(std::span<const operation> all) {
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const operation& one = all[i];
    const std::string over = one.responded == operation::never ? "..." : std::to_string(one.responded);
    char head[64];
    std::snprintf(head, sizeof head, "%3zu  actor %d  %4u to %4s  ", i, one.actor, one.invoked, over.c_str());
    text += head + text_of(one.what) + " -> " + text_of(one.got) + "\n";
  }
  return text;
}

}  // namespace martlet::testing
