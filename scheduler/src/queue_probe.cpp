#include "queue_probe.hpp"

#include "worker.hpp"

namespace martlet::detail {

// It is nobody's tasklet, so its turn does not count: a guest has asked for so many of its own.
void queue_probe::arrive(void* frame) noexcept {
  auto& self = *static_cast<queue_probe*>(frame);
  auto& w = static_cast<worker&>(*current_host());
  w.ticks_.store(w.ticks_.load(base::relaxed) - 1, base::relaxed);  // only its own thread changes them
  self.waited_.store(base::cycles() - self.sent_.load(base::relaxed), base::relaxed);
  self.sent_.store(0, base::release);  // [probe.back] from here on it may be queued again
}

}  // namespace martlet::detail
