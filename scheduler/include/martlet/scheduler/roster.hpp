#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <tuple>
#include <utility>

#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// The places of a scope's children: where a canceller finds those that live.
///
/// A place stays where it is; a free one is used again, the last first. They come in blocks of one size, and the blocks in
/// rows from the frame pool, each as long as all before it together, up to a page: a row that doubled without end took
/// milliseconds when it was large, in which its worker did not move, and the pool touches each piece that it hands out,
/// long before its turn. Not thread-safe: under the scope's lock.
///
/// Cost      9 bytes a child; O(1).
class roster {
 public:
  roster() noexcept = default;
  roster(const roster&) = delete;
  roster& operator=(const roster&) = delete;
  ~roster() {
    while (newest_ != nullptr) {
      free_row(std::exchange(newest_, newest_->older));
    }
  }

  /// As long as the boundary it stands on, so that each of its places leads to the scope.
  struct block {
    explicit block(scope_base& whose) noexcept : of(&whose) {}
    ~block() {}

    scope_base* of;
    block* older = nullptr;    // of the first in a row: the first of the row before
    std::uint32_t keeps_lock;  // a slot's, where the first in a row begins: this and the word are left as they are
    std::uint32_t row_length = 1;
    word_of_slot word;
    union {
      std::array<membership, 28> places;  // each made when it is first taken
    };
  };
  static_assert(sizeof(block) == membership::block_size);

  /// Returns   a free place, null when the present block has none: then ask `take_from_next`.
  membership* take() noexcept {
    if (free_ != nullptr) {
      return std::exchange(free_, free_->next());
    }
    return fresh_ != end_ ? fresh_++ : nullptr;
  }

  /// Returns   a free place of the next block, null when the row has no more: then `add` one, made without the lock.
  membership* take_from_next() noexcept {
    if (newest_ == nullptr || last_ + 1 == newest_ + newest_->row_length) {
      return nullptr;
    }
    begin(*new (last_ + 1) block(*newest_->of));
    return fresh_++;
  }

  void give_back(membership& place) noexcept { place.vacate(std::exchange(free_, &place)); }

  /// Returns   of how many blocks the next row is to be.
  std::uint32_t next_length() const noexcept {
    return newest_ == nullptr ? 1 : std::min(2 * newest_->row_length, longest_row);
  }

  /// Throws    std::bad_alloc.
  static block* make_row(scope_base& of, std::uint32_t length) {
    auto* first = new (allocate_frame(length * sizeof(block))) block(of);
    first->row_length = length;
    fetch(*first);
    return first;
  }
  static void free_row(block* first) noexcept { free_frame(first, first->row_length * sizeof(block)); }
  void add(block* row) noexcept {
    row->older = std::exchange(newest_, row);
    begin(*row);
  }

  /// The places that were ever handed out.
  struct extent {
    block* newest;
    std::size_t count;  // of places, in the newest row
  };

  extent handed_out() const noexcept {
    if (newest_ == nullptr) {
      return {nullptr, 0};
    }
    const auto full = static_cast<std::size_t>(last_ - newest_);
    return {newest_, full * places_in_block + static_cast<std::size_t>(fresh_ - last_->places.data())};
  }

  /// Calls `see` with each place in `of`, used or free. It needs no lock; what `see` looks at does.
  template <class See>
  static void visit(extent of, See see) {
    std::size_t count = of.count;
    for (block* row = of.newest; row != nullptr; row = row->older) {
      for (std::size_t i = 0; i < count; ++i) {
        see(row[i / places_in_block].places[i % places_in_block]);
      }
      count = row->older == nullptr ? 0 : row->older->row_length * places_in_block;
    }
  }

 private:
  static constexpr std::size_t places_in_block = std::tuple_size_v<decltype(block::places)>;
  static constexpr std::uint32_t longest_row = 4096 / sizeof(block);

  // Else each line is waited for at a locked operation.
  static void fetch(block& one) noexcept {
    for (std::size_t line = 0; line < sizeof(block); line += 64) {
      __builtin_prefetch(reinterpret_cast<std::byte*>(&one) + line, 1);
    }
  }

  void begin(block& one) noexcept {
    last_ = &one;
    fresh_ = one.places.data();
    end_ = fresh_ + one.places.size();
    if (&one + 1 != newest_ + newest_->row_length) {
      fetch((&one)[1]);
    }
  }

  membership* free_ = nullptr;
  membership* fresh_ = nullptr;  // from here to `end_` nothing was ever handed out
  membership* end_ = nullptr;
  block* last_ = nullptr;    // that places were taken from
  block* newest_ = nullptr;  // first of the newest row
};

}  // namespace martlet::detail
