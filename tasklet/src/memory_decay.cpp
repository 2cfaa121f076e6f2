#include <martlet/tasklet/memory_decay.hpp>

#include <mutex>

#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::detail {
namespace {

constinit memory_decay of_all_pools;

bool something_is_free() noexcept { return frames().has_resident() || stacks().has_warm(); }

}  // namespace

memory_decay& decay() noexcept { return of_all_pools; }

base::instant memory_decay::keep() noexcept {
  base::instant next = next_.load(base::relaxed);  // hints all along: who decides holds the lock
  if (next == base::never) {
    if (!something_is_free() || !stepping_.try_lock()) {  // who has it is awake, and will come here itself
      return base::never;
    }
    const std::lock_guard guard(stepping_, std::adopt_lock);
    next = next_.load(base::relaxed);
    if (next == base::never) {
      next = base::system_now() + period;
      next_.store(next, base::relaxed);
    }
  }
  return has_keeper_.load(base::relaxed) || has_keeper_.exchange(true, base::relaxed) ? base::never : next;
}

bool memory_decay::step() noexcept {
  const base::instant next = next_.load(base::relaxed);
  if (next == base::never || next > base::system_now() || !stepping_.try_lock()) {
    return false;
  }
  const std::lock_guard guard(stepping_, std::adopt_lock);
  if (!is_trimming_) {
    if (host* here = current_host(); here != nullptr) {
      here->frames_.flush();  // else a page stays for the sake of one free slot in it
    }
    frames().begin_trim();
    stacks().begin_trim();
    is_trimming_ = true;
    rounds_.fetch_add(1, base::relaxed);
  }
  if (!frames().trim_some() && !stacks().trim_some()) {
    is_trimming_ = false;
    next_.store(something_is_free() ? base::system_now() + period : base::never, base::relaxed);
  }
  return true;
}

}  // namespace martlet::detail
