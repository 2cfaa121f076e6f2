#include "mutants.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "source_text.hpp"
#include "trace.hpp"

namespace martlet::model {

namespace {

// A line of source, and what its operation does: a compare-exchange has two orders.
struct place_in_source {
  std::string file;
  unsigned line;
  auto operator<=>(const place_in_source&) const = default;
};
using operations = std::map<place_in_source, std::set<orders::use>>;

bool is_fence(const orders::use& use) noexcept { return !use.reads && !use.writes; }

bool is_the_same(const std::set<orders::use>& all, memory_order one, memory_order other) {
  return std::all_of(all.begin(), all.end(), [one, other](const orders::use& use) {
    return at_most(use.order, one, use.reads, use.writes) == at_most(use.order, other, use.reads, use.writes);
  });
}

std::string orders_in(const std::set<orders::use>& all) {
  std::string text;
  for (const orders::use& use : all) {
    const std::string order = is_fence(use) ? "fence" : to_text(use.order);
    if (order != "relaxed" && text.find(order) == std::string::npos) {
      text += (text.empty() ? "" : "/") + order;
    }
  }
  return text;
}

operations operations_of(const std::vector<explored>& programs, const std::vector<std::string>& judged) {
  std::set<orders::use> all;
  for (const explored& each : programs) {
    options how = each.how;
    how.orders.listed = &all;
    explore(each.program, how);
  }
  operations found;
  for (const orders::use& use : all) {
    const std::string where = short_path(use.file) + labels_at({use.file.c_str(), use.line});
    const bool is_judged = std::any_of(judged.begin(), judged.end(), [&where](const std::string& part) {
      return where.find(part) != std::string::npos;
    });
    if (is_judged && !where.starts_with("tests/")) {
      found[{use.file, use.line}].insert(use);
    }
  }
  return found;
}

bool survives(const place_in_source& at, memory_order most, const std::vector<explored>& programs) {
  return std::all_of(programs.begin(), programs.end(), [&](const explored& each) {
    options how = each.how;
    how.orders.weakened = weakening{at.file, at.line, most};
    return explore(each.program, how).failure.empty();
  });
}

std::vector<memory_order> one_step_weaker(memory_order order) {
  switch (order) {
    case std::memory_order_seq_cst: return {std::memory_order_acq_rel};
    case std::memory_order_acq_rel: return {std::memory_order_acquire, std::memory_order_release};
    case std::memory_order_acquire:
    case std::memory_order_release: return {std::memory_order_relaxed};
    default: return {};
  }
}

// The weakest that the programs are content with; nothing when they need all of it.
std::optional<memory_order> weakest(const place_in_source& at, const std::set<orders::use>& uses,
                                    const std::vector<explored>& programs) {
  std::optional<memory_order> found;
  memory_order now = std::memory_order_seq_cst;
  for (bool goes_on = true; goes_on;) {
    const std::vector<memory_order> weaker = one_step_weaker(now);
    auto next =
        std::find_if(weaker.begin(), weaker.end(), [&](memory_order most) { return is_the_same(uses, now, most); });
    if (next == weaker.end()) {
      next =
          std::find_if(weaker.begin(), weaker.end(), [&](memory_order most) { return survives(at, most, programs); });
      found = next != weaker.end() ? *next : found;
    }
    goes_on = next != weaker.end();
    now = goes_on ? *next : now;
    if (found && goes_on) {
      found = now;
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> unexplained_mutants(const std::vector<explored>& programs,
                                             const std::vector<std::string>& judged,
                                             const std::vector<argument>& arguments) {
  std::vector<std::string> unexplained;
  std::set<const argument*> needed;
  for (const auto& [where, uses] : operations_of(programs, judged)) {
    if (is_the_same(uses, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      continue;
    }
    const site at{where.file.c_str(), where.line};
    const std::string code = code_at(at);
    const std::optional<memory_order> to = weakest(where, uses, programs);
    std::string verdict = "killed";
    if (to) {
      const std::string order = is_fence(*uses.begin()) ? "none" : to_text(*to);
      const auto why = std::find_if(arguments.begin(), arguments.end(), [&](const argument& each) {
        return code.find(each.code) != std::string::npos && each.to == *to;
      });
      if (why == arguments.end()) {
        unexplained.push_back(code + ": survives as " + order);
        verdict = "survives: as " + order + ": unexplained";
      } else {
        needed.insert(&*why);
        verdict = "survives: as " + order + ": " + why->why;
      }
    }
    std::printf("%-30s %-48s %-16s %s\n", labels_at(at).c_str(),
                (short_path(where.file) + ":" + std::to_string(where.line)).c_str(), orders_in(uses).c_str(),
                verdict.c_str());
    std::fflush(stdout);
  }
  for (const argument& each : arguments) {
    if (!needed.contains(&each)) {
      unexplained.push_back(std::string(each.code) + ": the argument is not needed");
    }
  }
  return unexplained;
}

report explore_weakened(const std::function<void()>& program, const char* code, memory_order to) {
  std::set<orders::use> all;
  explore(program, {.orders = {.listed = &all}});
  const auto there = std::find_if(all.begin(), all.end(), [code](const orders::use& use) {
    return code_at({use.file.c_str(), use.line}).find(code) != std::string::npos;
  });
  return there == all.end() ? report{}
                            : explore(program, {.orders = {.weakened = weakening{there->file, there->line, to}}});
}

}  // namespace martlet::model
