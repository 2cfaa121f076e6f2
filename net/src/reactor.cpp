#include "reactor.hpp"

#include "descriptor.hpp"

namespace martlet::detail {

// Whoever still waits here belongs to another scheduler, or is a plain thread.
reactor::~reactor() {
  if (set_.is_empty()) {
    return;
  }
  descriptors().walk([this](descriptor& d) {
    if (epoll_set* elsewhere = epoll_set::of_this_thread(); elsewhere != nullptr) {
      d.move_home(set_, *elsewhere);
    }
  });
}

// `told_` is taken back after the interrupt has been seen, never before: it must not stay true with nothing left in the
// epoll, since an event loop that watches the epoll would then not be told again.
void reactor::wait(base::instant deadline) {
  set_.harvest(told_.load(base::relaxed) ? 0 : deadline);
  take_back();
}

// What was said is looked for in the queues, by the caller.
void reactor::take_back() noexcept {
  if (told_.load(base::relaxed)) {  // most looks of a busy worker find that nobody has said anything
    static_cast<void>(told_.exchange(false, base::acquire));  // [reactor.notify]
  }
}

// A neighbour that looks after this worker's sockets may take an interrupt that is meant for the worker, which has come back
// and sleeps meanwhile: it is told again.
void reactor::poll() {
  const bool was_interrupted = set_.harvest(0);
  if (current_host() == owner_) {
    take_back();
  } else if (was_interrupted) {
    set_.interrupt();
  }
}

void reactor::notify() noexcept {
  if (!told_.exchange(true, base::release)) {  // [reactor.notify]
    set_.interrupt();
  }
}

}  // namespace martlet::detail
