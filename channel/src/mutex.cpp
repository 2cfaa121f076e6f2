#include <martlet/channel/mutex.hpp>

#include <string>

namespace martlet::detail {

tasklet* mutex_core::hand_to_oldest() noexcept {
  while (wait_node* node = waiters.front()) {
    if (claim_front(waiters, *this)) {
      owner = static_cast<mutex_wait*>(node)->taker;
      return complete(*node);
    }
  }
  owner = nullptr;
  return nullptr;
}

void refuse_empty_guard() {
  throw misuse("guard: unlock was called on one that holds nothing (it was unlocked, released or moved from before)");
}

void refuse_unlock(const char* what) {
  throw misuse(std::string(what) +
               ": unlock was called by a tasklet or thread that does not own it; who locked it unlocks it, once");
}

void refuse_second_lock(const char* what) {
  throw misuse(std::string(what) +
               ": its owner locked it again and would wait for itself; lock it once, or use a recursive_mutex");
}

void refuse_death_of(const char* what, bool is_locked, std::size_t waiters) noexcept {
  base::fatal("a ", what, " was destroyed while it was ", is_locked ? "locked" : "free", " and ", waiters,
              " tasklets waited for it: let all of them unlock it first");
}

}  // namespace martlet::detail
