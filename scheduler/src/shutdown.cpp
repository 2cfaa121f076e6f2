#include <martlet/scheduler/shutdown.hpp>

#include <map>
#include <utility>

namespace martlet {

std::string shutdown_report::text() const {
  constexpr const char* names[] = {"queued", "running", "blocked", "done", "failed"};
  std::map<std::pair<std::string, status>, std::size_t> counts;
  for (const survivor& one : survivors) {
    const std::string name = one.name.empty() ? "" : " as \"" + one.name + '"';
    ++counts[{one.spawned_at.text() + name, one.state}];
  }
  std::string lines;
  for (const auto& [what, count] : counts) {
    lines += std::to_string(count) + ' ' + names[static_cast<std::size_t>(what.second)] + ", spawned at " + what.first +
             '\n';
  }
  return lines;
}

}  // namespace martlet
