#include "mutants.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "source_text.hpp"
#include "trace.hpp"

namespace martlet::model {

namespace {

struct mutant {
  orders::use original;
  memory_order from;
  memory_order to;
};

bool is_fence(const orders::use& use) noexcept { return !use.reads && !use.writes; }

std::vector<memory_order> one_step_weaker(const orders::use& use, memory_order order) {
  if (is_fence(use)) {
    return {std::memory_order_relaxed};
  }
  switch (order) {
    case std::memory_order_seq_cst:
      return {!use.writes  ? std::memory_order_acquire
              : !use.reads ? std::memory_order_release
                           : std::memory_order_acq_rel};
    case std::memory_order_acq_rel: return {std::memory_order_acquire, std::memory_order_release};
    case std::memory_order_acquire:
    case std::memory_order_release: return {std::memory_order_relaxed};
    default: return {};
  }
}

bool is_at_least(memory_order order, memory_order weaker) noexcept {
  return order == weaker || weaker == std::memory_order_relaxed || order == std::memory_order_seq_cst ||
         (order == std::memory_order_acq_rel && weaker != std::memory_order_seq_cst);
}

std::set<orders::use> orders_used(const std::vector<explored>& programs, const std::vector<std::string>& judged) {
  std::set<orders::use> all;
  for (const explored& each : programs) {
    options how = each.how;
    how.orders.listed = &all;
    explore(each.program, how);
  }
  std::erase_if(all, [&judged](const orders::use& use) {
    const std::string where = short_path(use.file) + labels_at({use.file.c_str(), use.line});
    return std::none_of(judged.begin(), judged.end(),
                        [&where](const std::string& part) { return where.find(part) != std::string::npos; });
  });
  return all;
}

bool survives(const mutant& which, const std::vector<explored>& programs) {
  const orders::use& at = which.original;
  for (const explored& each : programs) {
    options how = each.how;
    how.orders.weakened = weakening{at.file, at.line, at.order, which.to};
    if (!explore(each.program, how).failure.empty()) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::string> unexplained_mutants(const std::vector<explored>& programs,
                                             const std::vector<std::string>& judged,
                                             const std::vector<argument>& arguments) {
  std::vector<std::string> unexplained;
  std::set<const argument*> needed;
  std::vector<mutant> waiting;
  std::set<std::pair<orders::use, memory_order>> known;
  const auto weaken = [&](const orders::use& use, memory_order from) {
    for (const memory_order to : one_step_weaker(use, from)) {
      if (known.insert({use, to}).second) {
        waiting.push_back({use, from, to});
      }
    }
  };
  const std::set<orders::use> all = orders_used(programs, judged);
  for (auto use = all.rbegin(); use != all.rend(); ++use) {  // the last to wait is the first to be tried
    weaken(*use, use->order);
  }
  while (!waiting.empty()) {
    const mutant tried = waiting.back();
    waiting.pop_back();
    const orders::use& use = tried.original;
    const site at{use.file.c_str(), use.line};
    const std::string code = code_at(at);
    const char* from = is_fence(use) ? "fence" : to_text(tried.from);
    const char* to = is_fence(use) ? "none" : to_text(tried.to);
    const argument* why = nullptr;
    const bool is_alive = survives(tried, programs);
    if (is_alive) {
      for (const argument& each : arguments) {
        if (code.find(each.code) != std::string::npos && is_at_least(tried.to, each.to)) {
          why = &each;
          if (tried.to == each.to) {
            needed.insert(why);
          }
        }
      }
      if (why == nullptr) {
        unexplained.push_back(code + ": survives as " + to);
      }
      weaken(use, tried.to);
    }
    std::printf("%-30s %-48s %-8s %-8s %s%s\n", labels_at(at).c_str(),
                (short_path(use.file) + ":" + std::to_string(use.line)).c_str(), from, to,
                is_alive ? "survives: " : "killed", is_alive ? (why != nullptr ? why->why : "unexplained") : "");
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
  return there == all.end()
             ? report{}
             : explore(program, {.orders = {.weakened = weakening{there->file, there->line, there->order, to}}});
}

}  // namespace martlet::model
