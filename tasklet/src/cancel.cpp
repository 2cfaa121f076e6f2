#include <martlet/tasklet/wait.hpp>

#include <algorithm>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/handle.hpp>

namespace martlet::detail {

bool tell_to_stop(tasklet* who, std::uint16_t reach) noexcept {
  std::uint16_t now = who->cancel_.load(base::relaxed);
  std::uint16_t next = 0;
  do {
    next = cancel::settled(reach == 0 ? static_cast<std::uint16_t>(now | cancel::asked)
                                      : cancel::with_reach(now, std::max(reach, cancel::reach_in(now))));
    if ((next & cancel::stop) != 0) {
      next |= cancel::looking;
    }
  } while (
      !who->cancel_.compare_exchange_weak(now, next, base::release,
                                          base::relaxed));  // [cancel.note] model; [cancel.look] a heavy fence follows
  return (next & cancel::looking) != 0 && (now & cancel::looking) == 0;
}

namespace {

// The one look at the word of a tasklet that was told to stop.
//
// Returns   whom to make ready; null when it runs, with nothing done.
tasklet* claim_for_cancel(tasklet* who) noexcept {
  for (;;) {
    auto word = who->word_.load(base::acquire);  // [cancel.look] [word.park] model
    switch (tasklet::tag_of(word)) {
      case tag::parked: {
        auto* core = reinterpret_cast<wait_core*>(word & ~tag_mask);
        core->lock_.lock();  // perhaps of a core that died meanwhile: tasklet.hpp, I3
        const bool ours = who->word_.load(base::relaxed) == word;
        if (ours) {
          who->word_.store(tasklet::bits(tag::runnable), base::relaxed);
        }
        core->lock_.unlock();
        if (ours) {
          return who->leaf();
        }
        break;
      }
      case tag::select:
        if (who->word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::acquire,
                                               base::relaxed)) {  // [select.claim] model: perhaps of a later wait
          return who->leaf();
        }
        break;
      default: return nullptr;  // it sees the mark before it waits the next time
    }
  }
}

// Changes the running tasklet's own bits when no canceller looks: what that one would claim has to be the wait that it was
// meant for, not a later one that it must leave alone. That takes no order. A canceller that claimed a later wait has acquired
// the word that published it, so that wait, and the look here before it, would happen before the canceller's end, which the
// look here has read.
template <class Change>
void change_own(tasklet& self, Change change) noexcept {
  for (;;) {
    std::uint16_t now = self.cancel_.load(base::relaxed);
    if ((now & cancel::looking) != 0) [[unlikely]] {
      base::cpu_pause();
    } else if (self.cancel_.compare_exchange_weak(now, cancel::settled(change(now)), base::acquire,
                                                  base::relaxed)) {  // [cancel.note] model
      return;
    }
  }
}

}  // namespace

tasklet* end_wait(tasklet* who) noexcept {
  tasklet* leaf = claim_for_cancel(who);
  stop_looking(*who);
  return leaf;
}

void request_cancel(tasklet* who, std::uint16_t reach) noexcept {
  if (!tell_to_stop(who, reach)) {
    return;
  }
  host* here = current_host();
  tasklet* leaf = claim_for_cancel(who);
  const bool is_itself = here != nullptr && here->current_.load(base::relaxed) == who;
  if (leaf == nullptr && !is_itself && !has_ended(*who)) {
    base::heavy_fence();  // [cancel.look] model
    leaf = claim_for_cancel(who);
  }
  stop_looking(*who);
  if (leaf != nullptr) {
    ready(leaf, here);
  }
}

// Whoever stops another scope meanwhile notes that, and then changes the word ([cancel.note]). If he does so after the exchange
// here, what he asks for stands; if before, his note is known after it. So the others are asked again then: the exchange does
// not fail for him, for by the time that he has looked the word may be what it was, where the reach was as far already.
void forgive_scope(tasklet& self, std::uint16_t (*others)(void* asked), void* asked) noexcept {
  std::uint16_t left = 0;
  do {
    change_own(self, [&](std::uint16_t now) {
      left = others(asked);
      return cancel::with_reach(now, left);
    });
  } while (others(asked) != left);
}

void raise_shield(tasklet& self) noexcept {
  if (cancel::shields_in(self.cancel_.load(base::relaxed)) == cancel::most_shields)
      [[unlikely]] {  // only it changes them
    base::fatal("a tasklet stands behind more than 63 shields: one is enough for all that it calls");
  }
  change_own(self, [](std::uint16_t now) { return static_cast<std::uint16_t>(now + cancel::shield); });
}

void lower_shield(tasklet& self) noexcept {
  std::uint16_t now = self.cancel_.load(base::relaxed);
  while (!self.cancel_.compare_exchange_weak(now, cancel::settled(static_cast<std::uint16_t>(now - cancel::shield)),
                                             base::relaxed)) {}
}

}  // namespace martlet::detail
