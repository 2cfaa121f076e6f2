#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include <martlet/base/topology.hpp>

namespace martlet::detail {

/// Whom a thief looks at, by number: those of its own node, then those of its own package, then the others.
using victim_groups = std::vector<std::vector<std::size_t>>;

/// Sorts the other workers by how near they are to `thief`.
///
/// Takes     how many workers there are; where the first of them are pinned, which may be none. Who is pinned nowhere is
///           near to nobody, and everybody is equally near to him.
/// Returns   the groups, the nearest first, none of them empty; together they hold everybody but the thief.
inline victim_groups victims_of(std::size_t thief, std::size_t count, std::span<const base::processor> places) {
  std::array<std::vector<std::size_t>, 3> by_distance;
  for (std::size_t other = 0; other < count; ++other) {
    if (other == thief) {
      continue;
    }
    std::size_t distance = 2;
    if (thief < places.size() && other < places.size()) {
      distance = places[other].node == places[thief].node ? 0 : places[other].package == places[thief].package ? 1 : 2;
    }
    by_distance[distance].push_back(other);
  }
  victim_groups groups;
  for (auto& group : by_distance) {
    if (!group.empty()) {
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

}  // namespace martlet::detail
