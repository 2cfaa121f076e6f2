#include <martlet/base/virtual_time.hpp>

#include <mutex>

#include <martlet/base/current.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/base/spin_lock.hpp>

namespace martlet::base {
namespace {

// A list rather than a thread-local: there is one of those, current.hpp.
struct {
  spin_lock lock;
  virtual_time* first = nullptr;
} constinit all;

}  // namespace

constinit atomic<unsigned> virtual_time::count_{0};

// What the parent's threads have stays there: a child has the system's time, until it makes some of its own. The parent's is
// never destroyed there (scheduler.cpp).
constinit fork_hook virtual_time::hook_{.order = 50,  // the other ones may ask for the time
                                        .before = []() noexcept { all.lock.lock(); },
                                        .in_parent = []() noexcept { all.lock.unlock(); },
                                        .in_child =
                                            []() noexcept {
                                              all.first = nullptr;
                                              count_.store(0, relaxed);
                                              all.lock.unlock();
                                            }};

virtual_time::virtual_time() noexcept : thread_(this_thread()) {
  register_fork_hook(hook_);
  const std::lock_guard guard(all.lock);
  next_ = all.first;
  all.first = this;
  count_.fetch_add(1, relaxed);
}

virtual_time::~virtual_time() {
  const std::lock_guard guard(all.lock);
  virtual_time** place = &all.first;
  while (*place != this) {
    place = &(*place)->next_;
  }
  *place = next_;
  count_.fetch_sub(1, relaxed);
}

virtual_time* virtual_time::find() noexcept {
  const void* const thread = this_thread();
  const std::lock_guard guard(all.lock);
  virtual_time* one = all.first;
  while (one != nullptr && one->thread_ != thread) {
    one = one->next_;
  }
  return one;
}

}  // namespace martlet::base
