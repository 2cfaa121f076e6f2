#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// A tasklet of a simulation, from its spawn to its end.
struct simulated_tasklet {
  static constexpr std::size_t nowhere = SIZE_MAX;

  std::uint64_t number;
  tasklet* root;
  std::uint64_t priority = 0;  // for strategies that have some

  // While it is ready.
  tasklet* leaf = nullptr;  // whom to resume
  std::size_t place = nowhere;
  simulated_tasklet* older = nullptr;
  simulated_tasklet* newer = nullptr;

  bool is_ready() const noexcept { return place != nowhere; }
};

/// The tasklets of a simulation that are ready: any of them, the oldest, or a certain one can be taken.
///
/// Cost      all O(1).
class ready_set {
 public:
  bool empty() const noexcept { return all_.empty(); }
  std::size_t size() const noexcept { return all_.size(); }

  /// Returns   one of them; in which order they stand depends on what was added and taken, and on nothing else.
  simulated_tasklet& at(std::size_t index) const noexcept { return *all_[index]; }

  /// Returns   the one that was added first.
  simulated_tasklet& oldest() const noexcept { return *oldest_; }

  /// Sees to it that `add` needs no memory up to `count` of them.
  ///
  /// Throws    std::bad_alloc.
  void reserve(std::size_t count) {
    if (count > all_.capacity()) {
      all_.reserve(2 * count);
    }
  }

  void add(simulated_tasklet& one) {
    all_.push_back(&one);
    one.place = all_.size() - 1;
    one.older = newest_;
    one.newer = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->newer) = &one;
    newest_ = &one;
  }

  void take(simulated_tasklet& one) noexcept {
    all_[one.place] = all_.back();
    all_[one.place]->place = one.place;
    all_.pop_back();
    one.place = simulated_tasklet::nowhere;
    (one.older == nullptr ? oldest_ : one.older->newer) = one.newer;
    (one.newer == nullptr ? newest_ : one.newer->older) = one.older;
  }

 private:
  std::vector<simulated_tasklet*> all_;
  simulated_tasklet* oldest_ = nullptr;
  simulated_tasklet* newest_ = nullptr;
};

}  // namespace martlet::detail
