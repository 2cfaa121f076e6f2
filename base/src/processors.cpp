#include <martlet/base/processors.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include <sched.h>

namespace martlet::base {
namespace {

// A quota "max" or an unreadable file is no limit.
unsigned quota_in(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) {
    return 0;
  }
  const double share = std::stod(quota) / period;
  return std::max(1U, static_cast<unsigned>(share + 0.999));
}

unsigned cgroup_quota() {
  std::ifstream own("/proc/self/cgroup");
  unsigned smallest = 0;
  for (std::string line; std::getline(own, line);) {
    if (!line.starts_with("0::")) {
      continue;
    }
    // A parent's quota binds too, so every folder up to the root is asked.
    for (std::string path = line.substr(3);;) {
      const unsigned quota = quota_in("/sys/fs/cgroup" + path);
      if (quota != 0 && (smallest == 0 || quota < smallest)) {
        smallest = quota;
      }
      const auto slash = path.find_last_of('/');
      if (path.empty() || slash == std::string::npos) {
        break;
      }
      path.resize(slash);
    }
  }
  return smallest;
}

}  // namespace

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
    if (const unsigned quota = cgroup_quota(); quota != 0) {
      count = std::min(count, quota);
    }
  } catch (...) {  // a malformed control file is no reason not to start
  }
  return count;
}

}  // namespace martlet::base
