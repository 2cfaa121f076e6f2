#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <martlet/base/atomic.hpp>
#include <martlet/base/check.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// Where a frame in a core's slot would keep its word, which says "free" to whoever walks the slabs: it is left as it
/// is. The first member of every core that lies in a slot, but for what fits before it.
struct word_of_slot {
  word_of_slot() noexcept {}
  ~word_of_slot() {}

  union {
    base::atomic<std::uintptr_t> value;
  };
};

/// Owns a wait core in a slot of the frame pool, where a frame would have its record.
///
/// A canceller may lock a core that has died meanwhile (tasklet.hpp, I3). So the memory stays a slot, and the core takes
/// over the lock as it is: `Core` begins with `wait_core(keep_lock{})` and has a `word_of_slot word`.
///
/// Cost      a frame from the thread's free list.
template <class Core>
class core_slot {
 public:
  /// Throws    std::bad_alloc.
  template <class... Args>
  explicit core_slot(const Args&... args) {
    auto* slot = static_cast<std::byte*>(allocate_frame(size));
    core_ = std::construct_at(reinterpret_cast<Core*>(slot + tasklet::frame_offset), args...);
    MARTLET_ASSERT(static_cast<void*>(&core_->word) == &reinterpret_cast<tasklet*>(core_)->word_,
                   "a core has its word where a record has it");
  }
  core_slot(const core_slot&) = delete;
  core_slot& operator=(const core_slot&) = delete;
  ~core_slot() {
    std::destroy_at(core_);
    free_frame(reinterpret_cast<std::byte*>(core_) - tasklet::frame_offset, size);
  }

  Core& operator*() const noexcept { return *core_; }
  Core* operator->() const noexcept { return core_; }

 private:
  static constexpr std::size_t size = sizeof(Core) + tasklet::frame_offset;

  Core* core_;
};

}  // namespace martlet::detail
