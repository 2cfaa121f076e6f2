#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// The places of a scope's children: where a canceller finds those that live.
///
/// A place stays where it is; a free one is used again, the last first. They come in blocks of one size from the frame
/// pool: a block that doubled took milliseconds when it was large, in which its worker did not move. Not thread-safe: under
/// the scope's lock.
///
/// Cost      16 bytes a child, after the first four; O(1).
class roster {
 public:
  roster() noexcept = default;
  roster(const roster&) = delete;
  roster& operator=(const roster&) = delete;
  ~roster() {
    while (newest_ != nullptr) {
      free_block(std::exchange(newest_, newest_->older));
    }
  }

  static constexpr std::size_t longest_run = 62;

  struct block {
    block* older = nullptr;
    std::uint64_t unused;
    std::uint64_t keeps_lock;  // a slot's: this word and the next are left as they are
    word_of_slot word;
    std::array<membership, longest_run> places;
  };

  /// Returns   a free place, null when there is none: then `add` a block, made without the lock.
  membership* take() noexcept {
    if (free_ != nullptr) {
      return std::exchange(free_, free_->next);
    }
    return fresh_ != end_ ? fresh_++ : nullptr;
  }

  void give_back(membership& place) noexcept { place.next = std::exchange(free_, &place); }

  /// Throws    std::bad_alloc.
  static block* make_block() { return new (allocate_frame(sizeof(block))) block; }
  static void free_block(block* one) noexcept { free_frame(one, sizeof(block)); }
  void add(block* more) noexcept {
    more->older = std::exchange(newest_, more);
    fresh_ = more->places.data();
    end_ = fresh_ + more->places.size();
  }

  /// The places that were ever handed out.
  struct extent {
    block* newest;
    membership* end;  // in the newest block
  };

  extent handed_out() const noexcept { return {newest_, fresh_}; }

  /// Calls `see` with each run of places in `of`, used or free. It needs no lock; what `see` looks at does.
  template <class See>
  void visit(extent of, See see) {
    if (of.newest == nullptr) {
      see(std::span<membership>(first_.data(), of.end));
      return;
    }
    see(std::span<membership>(first_));
    see(std::span<membership>(of.newest->places.data(), of.end));
    for (block* b = of.newest->older; b != nullptr; b = b->older) {
      see(std::span<membership>(b->places));
    }
  }

 private:
  std::array<membership, 4> first_;
  membership* free_ = nullptr;
  membership* fresh_ = first_.data();  // from here to `end_` nothing was ever handed out
  membership* end_ = first_.data() + first_.size();
  block* newest_ = nullptr;
};
static_assert(sizeof(roster::block) == 1024);

}  // namespace martlet::detail
