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

void reactor::wait(base::instant deadline) {
  if (told_.exchange(false, base::acquire)) {  // [reactor.notify]
    set_.harvest(0);
    return;
  }
  set_.harvest(deadline);
  told_.store(false, base::relaxed);  // what was said is looked for in the queues, by the caller
}

// A neighbour that looks after this worker's sockets may take an interrupt that is meant for the worker, which has come back
// and sleeps meanwhile: it is told again.
void reactor::poll() {
  if (set_.harvest(0) && current_host() != owner_) {
    set_.interrupt();
  }
}

void reactor::notify() noexcept {
  if (!told_.exchange(true, base::release)) {  // [reactor.notify]
    set_.interrupt();
  }
}

}  // namespace martlet::detail
