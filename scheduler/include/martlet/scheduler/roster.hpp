#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
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
/// Cost      9 bytes a child; O(1).
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

  /// As long as the boundary it stands on, so that each of its places leads to the scope.
  struct block {
    explicit block(scope_base& whose) noexcept : of(&whose) {}
    ~block() {}

    scope_base* of;
    block* older = nullptr;
    std::uint64_t keeps_lock;  // a slot's: this word and the next are left as they are
    word_of_slot word;
    union {
      std::array<membership, 28> places;  // each made when it is first taken
    };
  };
  static_assert(sizeof(block) == membership::block_size);

  /// Returns   a free place, null when there is none: then `add` a block, made without the lock.
  membership* take() noexcept {
    if (free_ != nullptr) {
      return std::exchange(free_, free_->next());
    }
    return fresh_ != end_ ? fresh_++ : nullptr;
  }

  void give_back(membership& place) noexcept { place.vacate(std::exchange(free_, &place)); }

  /// Throws    std::bad_alloc.
  static block* make_block(scope_base& of) {
    auto* one = new (allocate_frame(sizeof(block))) block(of);
    for (std::size_t line = 64; line < sizeof(block); line += 64) {  // else each is waited for at a locked operation
      __builtin_prefetch(reinterpret_cast<std::byte*>(one) + line, 1);
    }
    return one;
  }
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

  /// Calls `see` with each place in `of`, used or free. It needs no lock; what `see` looks at does.
  template <class See>
  static void visit(extent of, See see) {
    membership* end = of.end;
    for (block* b = of.newest; b != nullptr; b = b->older) {
      for (membership* place = b->places.data(); place != end; ++place) {
        see(*place);
      }
      end = b->older == nullptr ? nullptr : b->older->places.data() + b->older->places.size();
    }
  }

 private:
  membership* free_ = nullptr;
  membership* fresh_ = nullptr;  // from here to `end_` nothing was ever handed out
  membership* end_ = nullptr;
  block* newest_ = nullptr;
};

}  // namespace martlet::detail
