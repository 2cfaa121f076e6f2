#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>

/// Memory for frames and channel cores: free lists by size class, in slabs that can be walked.
///
/// Each thread that runs tasklets keeps a `frame_cache`; chains of slots pass between it and the process-wide
/// `frame_pool`; frame.hpp is the way in. A slot stays a slot of its class for ever (see tasklet.hpp, I3): its first 64
/// bytes are always readable, a free one's word is 0.
///
/// The pool knows free slots by a bit in their slab and hands them out in the order of their addresses. Were the chains
/// kept as they came back, each burst of tasklets would shuffle them a little more, until neighbours in time are
/// strangers in memory: a million spawns a round took 42 ns each at first and 229 after eighty rounds (Zen 4).
///
/// Free slots that nobody needed for a while give their pages back to the system (`memory_decay`), and read as free and
/// unlocked from then on. Slabs whose pages are there are used first, so a small load leaves the others alone.
///
/// Source    Bonwick, Adams: Magazines and vmem. USENIX 2001 (the chains are its magazines, the pool its depot).
namespace martlet::detail {

struct extras;

inline constexpr std::size_t frame_class_count = 80;

/// Returns   the index of the smallest class that holds `size` bytes: steps of 16 up to 512, then four a doubling.
constexpr std::size_t frame_class(std::size_t size) noexcept {
  if (size <= 512) {
    return size <= 64 ? 4 : (size + 15) / 16;
  }
  const auto doubling = static_cast<std::size_t>(63 - __builtin_clzll((size - 1) / 512));  // 512 * 2^d < size
  const std::size_t step = (std::size_t{512} << doubling) / 4;
  const std::size_t quarter = (size - 1 - (std::size_t{512} << doubling)) / step;
  return 33 + doubling * 4 + quarter;
}

/// Returns   how many bytes a slot of class `index` has.
constexpr std::size_t frame_class_size(std::size_t index) noexcept {
  if (index <= 32) {
    return index * 16;
  }
  const std::size_t doubling = (index - 33) / 4;
  const std::size_t quarter = (index - 33) % 4;
  return (std::size_t{512} << doubling) + (quarter + 1) * ((std::size_t{512} << doubling) / 4);
}

inline constexpr std::size_t largest_frame = frame_class_size(frame_class_count - 1);
static_assert(frame_class(largest_frame) == frame_class_count - 1);

/// How many bytes of a free slot anybody may read; ASan guards the rest.
inline constexpr std::size_t always_readable = 64;

/// A free slot, seen from its first 32 bytes. The fourth word is where a frame's tasklet keeps its state.
struct free_slot {
  free_slot* next;
  std::uint64_t unused;
  std::uint64_t keeps_lock;
  base::atomic<std::uintptr_t> word;
};

/// The process-wide store of slots. One instance, constant-initialised, never destroyed.
class frame_pool {
 public:
  constexpr frame_pool() noexcept = default;

  struct chain {
    free_slot* first = nullptr;
    std::uint32_t length = 0;
  };

  static constexpr std::uint32_t chain_length(std::size_t index) noexcept {
    const std::size_t many = 16384 / frame_class_size(index);
    return many > 64 ? 64 : many < 1 ? 1 : static_cast<std::uint32_t>(many);
  }

  /// Takes a chain of at least one and at most `most` free slots, mapping a slab when there are none.
  ///
  /// Throws    std::bad_alloc.
  /// Cost      a lock, and about 2 ns a slot.
  chain take(std::size_t index, std::uint32_t most);

  /// Takes a single slot, for threads that keep no chain; as `take`, without its loop over slabs.
  free_slot* take_one(std::size_t index);

  /// Puts back all slots of a chain.
  ///
  /// Cost      a lock, and about 2 ns a slot.
  void give_back(std::size_t index, free_slot* first) noexcept;

  /// Finds the place for a pointer that each slot has outside of itself; null at first.
  ///
  /// Takes     a frame that was allocated.
  /// Throws    std::bad_alloc, the first time in its slab.
  base::atomic<extras*>& extras_at(void* frame);

  /// Declares what was free all the time since the last call to be more than is needed.
  ///
  /// Threads   one at a time, as for `trim_some`.
  void begin_trim() noexcept;

  /// Gives the pages of one slab's worth of that back to the system.
  ///
  /// Returns   false when there is no more.
  /// Cost      up to 300 us: each slot that was ever used is locked, then the system drops the pages.
  bool trim_some() noexcept;

  /// Returns   a hint: whether there are free slots with pages.
  bool has_resident() const noexcept { return resident_slabs_.load(base::relaxed) != 0; }

  /// Takes every lock, so that the copy that a child of fork gets is whole, and lets go of them.
  void hold() noexcept;
  void let_go() noexcept;

  /// Says, in a child of fork and while it is held, that the tasklets of the parent will never run here: their waits are
  /// not to be won, and what another thread had locked is abandoned.
  ///
  /// Takes     the word of the tasklet that forked, which does run here; null for none.
  void abandon(const base::atomic<std::uintptr_t>* but) noexcept;

  /// Calls `visit(slot, size)` for every slot that was ever handed out, free or not.
  template <class Visit>
  void walk(Visit visit) {
    for (slab* s = slabs_.load(base::acquire); s != nullptr; s = s->older) {  // [slab.publish]
      const std::size_t size = frame_class_size(s->index);
      const std::uint32_t carved = s->carved.load(base::relaxed);
      for (std::uint32_t i = 0; i < carved; ++i) {
        visit(reinterpret_cast<free_slot*>(s->first + i * size), size);
      }
    }
  }

 private:
  // A slab stands on a boundary of its size, and each of its slots begins within that size: so a slot leads to its slab.
  // Slots of 64, 128 and 256 bytes stand on a boundary of theirs.
  static constexpr std::size_t slab_size = std::size_t{256} * 1024;
  static constexpr std::size_t most_slots = slab_size / frame_class_size(frame_class(1));

  using bits = std::array<std::uint64_t, most_slots / 64>;

  struct slab_list;

  struct alignas(256) slab {
    slab* older;  // all slabs, for walkers
    slab* next;   // of those with free slots; under the depot's lock, as all below but `carved`
    slab* prev;
    slab_list* list;  // where it stands; null while it has no free slot
    std::byte* first;
    std::size_t index;
    std::uint32_t capacity;
    std::uint32_t free;                  // how many bits are set
    std::uint32_t scanned;               // no bit is set in the words before this one
    std::uint32_t reciprocal;            // 2^32 / size, rounded up: exact for what is divided here
    std::uint32_t granule;               // one bit of `is_dropped` stands for 2^granule bytes: a page or more
    std::uint64_t is_dropped;            // these pages were given back, and nothing in them was handed out since
    base::atomic<std::uint32_t> carved;  // slots beyond were never handed out
    base::atomic<base::atomic<extras*>*> extras_of_slots;  // one each; null until one needs it
    bits is_free;

    std::uint32_t number_of(const free_slot* slot) const noexcept {
      const auto offset = static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(slot) - first);
      return static_cast<std::uint32_t>((offset * reciprocal) >> 32);
    }
    std::byte* begin() noexcept { return reinterpret_cast<std::byte*>(this); }
    void touch(const std::byte* from, const std::byte* end) noexcept;
  };

  struct slab_list {
    void push_back(slab* s) noexcept;
    void push_front(slab* s) noexcept;
    void remove(slab* s) noexcept;

    slab* front = nullptr;
    slab* back = nullptr;
  };

  struct depot {
    base::spin_lock lock;
    slab_list resident;          // slabs with free slots; those that have had some for longest first
    slab_list dropped;           // the same, but what was free has lost its pages
    std::size_t free = 0;        // slots in the resident ones
    std::size_t least_free = 0;  // since the last begin_trim
    std::size_t surplus = 0;     // what trim_some may still take
  };

  static slab* slab_of(free_slot* slot) noexcept {
    return reinterpret_cast<slab*>(reinterpret_cast<std::uintptr_t>(slot) & ~(slab_size - 1));
  }
  void provide(std::size_t index, depot& d);
  free_slot** cut(depot& d, slab& s, std::uint32_t count, free_slot** end) noexcept;
  void enlist(depot& d, slab* s) noexcept;
  void unlist(depot& d, slab* s) noexcept;
  static std::uint64_t drop_pages(slab& s, const bits& mine, std::uint64_t gone) noexcept;
  static bool drop_run(slab& s, std::byte* low, std::byte* high) noexcept;
  slab* map_slab(std::size_t index);

  /// Cuts the memory of a slab from a larger region: a process may have only so many mappings.
  std::byte* map(std::size_t bytes);
  static void use_huge_pages(std::byte* from, const std::byte* end) noexcept;
  static constexpr std::size_t region_size = std::size_t{16} << 20;
  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  static constexpr std::size_t small_regions = 2;  // a program with few tasklets stays as small as it was

  std::array<depot, frame_class_count> depots_{};
  base::atomic<slab*> slabs_{nullptr};
  base::atomic<std::size_t> resident_slabs_{0};
  base::spin_lock region_lock_;
  std::byte* region_ = nullptr;
  std::byte* region_end_ = nullptr;
  std::size_t regions_ = 0;
};

/// One thread's free slots. Not thread-safe: it belongs to its host.
class frame_cache {
 public:
  frame_cache() noexcept = default;
  frame_cache(const frame_cache&) = delete;
  frame_cache& operator=(const frame_cache&) = delete;
  ~frame_cache() { flush(); }

  void* take(std::size_t index) {
    auto& list = lists_[index];
    free_slot* slot = list.first;
    if (slot == nullptr) [[unlikely]] {
      return refill(index);
    }
    list.first = slot->next;
    --list.length;
    return slot;
  }

  void give_back(std::size_t index, free_slot* slot) noexcept {
    auto& list = lists_[index];
    slot->next = list.first;
    list.first = slot;
    if (++list.length >= 2 * frame_pool::chain_length(index)) [[unlikely]] {
      spill(index);
    }
  }

  /// Gives all of them to the pool.
  void flush() noexcept;

 private:
  void* refill(std::size_t index);
  void spill(std::size_t index) noexcept;

  std::array<frame_pool::chain, frame_class_count> lists_{};
};

/// Returns   the process's frames, for walking.
frame_pool& frames() noexcept;

}  // namespace martlet::detail
