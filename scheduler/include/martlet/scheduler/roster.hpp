#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// The places of a scope's children: where a canceller finds those that live.
///
/// A place stays where it is; a free one is used again, the last first. Not thread-safe: under the scope's lock.
///
/// Cost      16 bytes a child, after the first four; O(1).
class roster {
 public:
  roster() noexcept = default;
  roster(const roster&) = delete;
  roster& operator=(const roster&) = delete;

  struct block {
    std::unique_ptr<block> older;
    std::unique_ptr<membership[]> places;
    std::size_t count;
  };

  /// Returns   a free place, null when there is none: then `add` a block of `next_count`, made without the lock.
  membership* take() noexcept {
    if (free_ != nullptr) {
      return std::exchange(free_, free_->next);
    }
    return fresh_ != end_ ? fresh_++ : nullptr;
  }

  void give_back(membership& place) noexcept {
    place.who = nullptr;
    place.next = std::exchange(free_, &place);
  }

  static std::unique_ptr<block> make_block(std::size_t count) {
    return std::make_unique<block>(block{nullptr, std::make_unique<membership[]>(count), count});
  }
  std::size_t next_count() const noexcept { return blocks_ == nullptr ? 8 : 2 * blocks_->count; }
  void add(std::unique_ptr<block> more) noexcept {
    more->older = std::move(blocks_);
    blocks_ = std::move(more);
    fresh_ = blocks_->places.get();
    end_ = fresh_ + blocks_->count;
  }

  block* newest() const noexcept { return blocks_.get(); }

  /// Calls `see` with each run of places, used or free, that were there when `newest` was the newest block. It needs no
  /// lock; what `see` looks at does.
  template <class See>
  void visit(block* newest, See see) {
    see(std::span<membership>(first_));
    for (; newest != nullptr; newest = newest->older.get()) {
      see(std::span<membership>(newest->places.get(), newest->count));
    }
  }

 private:
  std::array<membership, 4> first_;
  membership* free_ = nullptr;
  membership* fresh_ = first_.data();  // from here to `end_` nothing was ever handed out
  membership* end_ = first_.data() + first_.size();
  std::unique_ptr<block> blocks_;  // the newest, and largest, first
};

}  // namespace martlet::detail
