#include <martlet/base/topology.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include <sched.h>

#if MARTLET_HWLOC
#include <hwloc.h>
#endif

namespace martlet::base {
namespace {

// Takes     null for this machine.
std::vector<processor> known_processors([[maybe_unused]] const char* description) {
  std::vector<processor> known;
#if MARTLET_HWLOC
  hwloc_topology_t machine;
  if (hwloc_topology_init(&machine) != 0) {
    return known;
  }
  if ((description == nullptr || hwloc_topology_set_synthetic(machine, description) == 0) &&
      hwloc_topology_load(machine) == 0) {
    for (hwloc_obj_t unit = nullptr; (unit = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, unit)) != nullptr;) {
      const auto around = [&](hwloc_obj_type_t type, unsigned otherwise) {
        const hwloc_obj_t found = hwloc_get_ancestor_obj_by_type(machine, type, unit);
        return found == nullptr ? otherwise : found->logical_index;
      };
      const int node = unit->nodeset == nullptr ? -1 : hwloc_bitmap_first(unit->nodeset);
      known.push_back({.number = unit->os_index,
                       .core = around(HWLOC_OBJ_CORE, unit->logical_index),
                       .package = around(HWLOC_OBJ_PACKAGE, 0),
                       .node = node < 0 ? 0 : static_cast<unsigned>(node)});
    }
  }
  hwloc_topology_destroy(machine);
#endif
  return known;
}

std::vector<processor> in_order(std::vector<processor> all) {
  std::sort(all.begin(), all.end(), [](const processor& a, const processor& b) { return a.number < b.number; });
  struct ranked {
    processor where;
    unsigned sibling;  // the how many-th of its core
  };
  std::map<unsigned, unsigned> seen;
  std::vector<ranked> order;
  order.reserve(all.size());
  for (const processor& one : all) {
    order.push_back({one, seen[one.core]++});
  }
  std::sort(order.begin(), order.end(), [](const ranked& a, const ranked& b) {
    const auto key = [](const ranked& r) {
      return std::tuple(r.sibling, r.where.node, r.where.package, r.where.core, r.where.number);
    };
    return key(a) < key(b);
  });
  std::transform(order.begin(), order.end(), all.begin(), [](const ranked& r) { return r.where; });
  return all;
}

}  // namespace

std::vector<processor> processors_in_order() {
  constexpr unsigned unknown_cores = 1U << 24;  // beyond those that hwloc counts
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) {
    return {};
  }
  const std::vector<processor> known = known_processors(nullptr);
  std::vector<processor> usable;
  for (unsigned number = 0; number < CPU_SETSIZE; ++number) {
    if (CPU_ISSET(number, &mask)) {
      const auto found =
          std::find_if(known.begin(), known.end(), [number](const processor& p) { return p.number == number; });
      usable.push_back(found != known.end() ? *found : processor{.number = number, .core = unknown_cores + number});
    }
  }
  return in_order(std::move(usable));
}

std::vector<processor> processors_of(const std::string& description) {
  return in_order(known_processors(description.c_str()));
}

int pin_thread(pthread_t thread, unsigned number) noexcept {
  if (number >= CPU_SETSIZE) {
    return EINVAL;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(number, &one);
  return pthread_setaffinity_np(thread, sizeof one, &one);
}

}  // namespace martlet::base
