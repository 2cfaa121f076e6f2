#pragma once

#include <algorithm>
#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// Measures how long what is queued waits: a tasklet with nothing to do that is queued now and then behind all others.
///
/// Stamping each tasklet would cost each of them more than its whole way through the queue. While the probe is still on
/// its way, its age is what the wait is at least.
///
/// Threads   `send` and `forget` whoever owns it, the rest any.
/// Source    the idea of judging a queue by how long things stay in it: Nichols, Jacobson: Controlling queue delay.
///           ACM Queue 10(5), 2012, doi:10.1145/2208917.2209336.
class queue_probe {
 public:
  queue_probe() noexcept = default;
  queue_probe(const queue_probe&) = delete;
  queue_probe& operator=(const queue_probe&) = delete;

  /// Says that it is about to be queued.
  ///
  /// Returns   what to queue; null when it is on its way already.
  tasklet* send(host& somewhere) noexcept {
    std::uint64_t nobody = 0;
    if (!sent_.compare_exchange_strong(nobody, base::cycles(), base::acquire)) {  // [probe.back]
      return nullptr;
    }
    record_.host_.store(&somewhere, base::relaxed);
    return &record_;
  }

  /// Says that nothing waits.
  void forget() noexcept { waited_.store(0, base::relaxed); }

  /// Returns   in cycles, how long the last one waited, or how long this one has waited already.
  std::uint64_t waited(std::uint64_t now) const noexcept {
    const std::uint64_t sent = sent_.load(base::relaxed);  // a measurement
    return std::max(waited_.load(base::relaxed), sent == 0 || sent > now ? 0 : now - sent);
  }

 private:
  static void arrive(void* frame) noexcept;

  void (*resume_)(void*) = &queue_probe::arrive;
  void (*destroy_)(void*) = nullptr;
  tasklet record_{kind::thread, tasklet::on_stack{}};
  base::atomic<std::uint64_t> sent_{0};  // in cycles; 0: it is not on its way
  base::atomic<std::uint64_t> waited_{0};
};

}  // namespace martlet::detail
