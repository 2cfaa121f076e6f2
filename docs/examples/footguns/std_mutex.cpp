// A lock of a thread that is held over a wait, and two ways around it.
#include <map>
#include <mutex>
#include <string>

#include <martlet/martlet.hpp>

#include <martlet/base/sanitizer.hpp>

#include "holds.hpp"

martlet::task<std::string> fetch(std::string key) {
  co_await martlet::yield();
  co_return "value of " + key;
}

namespace broken {

// [broken]
struct cache {
  std::mutex door;
  std::map<std::string, std::string> known;

  martlet::task<std::string> get(std::string key) {
    const std::lock_guard held(door);
    if (!known.contains(key)) {
      known[key] = co_await fetch(key);  // waits, perhaps unlocks on another thread
    }
    co_return known[key];
  }
};
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
struct cache {
  martlet::mutex door;  // its owner is the tasklet
  std::map<std::string, std::string> known;

  martlet::task<std::string> get(std::string key) {
    auto held = co_await door.acquire();
    if (!known.contains(key)) {
      known[key] = co_await fetch(key);
    }
    co_return known[key];
  }
};
// [end]

// [fixed-short]
struct patient_cache {
  std::mutex door;  // cheaper, and held by nobody who waits
  std::map<std::string, std::string> known;

  martlet::task<std::string> get(std::string key) {
    {
      const std::lock_guard held(door);
      if (const auto found = known.find(key); found != known.end()) {
        co_return found->second;
      }
    }
    std::string value = co_await fetch(key);  // perhaps twice, by two tasklets
    const std::lock_guard held(door);
    co_return known.try_emplace(key, std::move(value)).first->second;
  }
};
// [end]

}  // namespace fixed

template <class Cache>
bool works() {
  Cache cache;
  martlet::scheduler pool({.workers = 2, .migrate_always = true});
  return pool.block_on(cache.get("a")) == "value of a" && pool.block_on(cache.get("a")) == "value of a";
}

int main() {
  bool good = true;
#if !defined(NDEBUG) && !MARTLET_ASAN && !MARTLET_TSAN && defined(__GLIBC__)
  const auto stopped = martlet::testing::in_child([] { works<broken::cache>(); });
  good &=
      holds(stopped.was_aborted() && stopped.said("the lock was taken at") && stopped.said("unlock it before the wait"),
            "a build without NDEBUG stops, and says both places");
#else
  static_cast<void>(&works<broken::cache>);  // undefined
#endif
  good &= holds(works<fixed::cache>() && works<fixed::patient_cache>(), "both ways around it work");
  return good ? 0 : 1;
}
