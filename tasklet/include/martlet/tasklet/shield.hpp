#pragma once

#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet {

/// Keeps cancellation away from what its tasklet waits for while it lives: for cleaning up.
///
/// A cancel that comes meanwhile, or came before, is heard by the first wait after it. Keep what stands behind a shield
/// short, or give it a time limit, which holds behind the shield: nobody else can stop it. Shields nest, 63 deep at most.
/// Tasklets that are spawned behind one are not shielded.
///
/// ```cpp
/// try {
///   co_await work();
/// } catch (...) {
///   failed = std::current_exception();        // a coroutine cannot wait in here
/// }
/// martlet::shield undisturbed;
/// co_await martlet::within(1s, peer.send(goodbye()));
/// ```
///
/// On a plain thread, which nobody can cancel, it does nothing.
///
/// Threads   it is made and destroyed by one tasklet, wherever that runs. Never suspends.
/// Cost      two atomic operations.
class [[nodiscard("it shields for as long as it lives: give it a name")]] shield {
 public:
  shield() noexcept : self_(detail::running_tasklet()) {
    if (self_ != nullptr) {
      detail::raise_shield(*self_);
    }
  }
  shield(const shield&) = delete;
  shield& operator=(const shield&) = delete;
  ~shield() {
    if (self_ != nullptr) {
      detail::lower_shield(*self_);
    }
  }

 private:
  detail::tasklet* const self_;
};

}  // namespace martlet
