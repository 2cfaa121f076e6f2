#include <martlet/base/processors.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include <sched.h>

namespace martlet::base {
namespace {

// Returns   0 for what is no positive number: "max", -1, a broken file.
std::uint64_t positive(const std::string& text) noexcept {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::string first_word(std::istream& file) {
  std::string word;
  file >> word;
  return word;
}

unsigned processors_of(std::uint64_t quota, std::uint64_t period) noexcept {
  if (quota == 0 || period == 0) {
    return 0;
  }
  const std::uint64_t count = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<unsigned>(std::min<std::uint64_t>(count, std::numeric_limits<unsigned>::max()));
}

// A folder has the files of one version or of none.
unsigned quota_in(const std::string& folder) {
  std::ifstream both(folder + "/cpu.max");
  const std::uint64_t quota = positive(first_word(both));
  if (const unsigned count = processors_of(quota, positive(first_word(both))); count != 0) {
    return count;
  }
  std::ifstream old_quota(folder + "/cpu.cfs_quota_us");
  std::ifstream old_period(folder + "/cpu.cfs_period_us");
  return processors_of(positive(first_word(old_quota)), positive(first_word(old_period)));
}

bool lists(std::string_view commas, std::string_view wanted) noexcept {
  while (true) {
    const auto comma = commas.find(',');
    if (commas.substr(0, comma) == wanted) {
      return true;
    }
    if (comma == std::string_view::npos) {
      return false;
    }
    commas.remove_prefix(comma + 1);
  }
}

// The kernel writes blanks and backslashes in paths as three octal digits.
std::string unescaped(std::string_view path) {
  std::string plain;
  const auto is_digit = [](char c) { return c >= '0' && c <= '7'; };
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 3 < path.size() && is_digit(path[i + 1]) && is_digit(path[i + 2]) &&
        is_digit(path[i + 3])) {
      plain += static_cast<char>((path[i + 1] - '0') * 64 + (path[i + 2] - '0') * 8 + (path[i + 3] - '0'));
      i += 3;
    } else {
      plain += path[i];
    }
  }
  return plain;
}

// Where a tree of control groups that can limit processor time is mounted.
struct group_mount {
  std::string origin;  // the group that is seen at `place`
  std::string place;
  bool is_old = false;  // version 1
};

std::vector<group_mount> group_mounts(const std::string& root) {
  std::vector<group_mount> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skipped, origin, place, type, options;
    fields >> skipped >> skipped >> skipped >> origin >> place;
    while (fields >> skipped && skipped != "-") {}
    fields >> type >> skipped >> options;
    if (type == "cgroup2" || (type == "cgroup" && lists(options, "cpu"))) {
      found.push_back({unescaped(origin), unescaped(place), type == "cgroup"});
    }
  }
  return found;
}

// Returns   the path of `group` below where its tree is mounted; nothing where the mount shows another part of it.
std::string below(const group_mount& mount, const std::string& group) {
  if (group.starts_with("/..")) {
    return {};  // outside of what our namespace shows
  }
  if (mount.origin == "/") {
    return group == "/" ? std::string() : group;
  }
  const bool is_inside =
      group.starts_with(mount.origin) && (group.size() == mount.origin.size() || group[mount.origin.size()] == '/');
  return is_inside ? group.substr(mount.origin.size()) : std::string();
}

}  // namespace

unsigned control_group_quota(const std::string& root) {
  unsigned smallest = 0;
  const std::vector<group_mount> mounts = group_mounts(root);
  std::ifstream own(root + "/proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_new = controllers.empty();
    if (!is_new && !lists(controllers, "cpu")) {
      continue;
    }
    for (const group_mount& mount : mounts) {
      if (mount.is_old == is_new) {
        continue;
      }
      for (std::string path = below(mount, line.substr(second + 1));; path.resize(path.find_last_of('/'))) {
        const unsigned quota = quota_in(root + mount.place + path);
        if (quota != 0 && (smallest == 0 || quota < smallest)) {
          smallest = quota;
        }
        if (path.find('/') == std::string::npos) {
          break;
        }
      }
    }
  }
  return smallest;
}

unsigned usable_processors() noexcept {
  unsigned count = 0;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    count = static_cast<unsigned>(CPU_COUNT(&mask));
  }
  if (count == 0) {
    count = std::max(1U, std::thread::hardware_concurrency());
  }
  try {
    if (const unsigned quota = control_group_quota(); quota != 0) {
      count = std::min(count, quota);
    }
  } catch (...) {  // out of memory: no reason not to try to start
  }
  return count;
}

}  // namespace martlet::base
