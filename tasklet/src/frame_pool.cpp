#include <martlet/tasklet/frame_pool.hpp>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include <martlet/base/fork.hpp>
#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/memory_decay.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {
namespace {

constinit frame_pool all_frames;

// The lock of whatever has a free slot lies where a frame's tasklet has it; a channel's does too.
base::spin_lock& lock_in(std::byte* slot) noexcept {
  return reinterpret_cast<wait_core*>(slot + tasklet::frame_offset)->lock_;
}

// Nobody is in the middle of trimming at a fork either: he holds the locks of free slots.
constinit base::fork_hook frame_hook{.order = 30,
                                     .before =
                                         []() noexcept {
                                           decay().hold();
                                           all_frames.hold();
                                         },
                                     .in_parent =
                                         []() noexcept {
                                           all_frames.let_go();
                                           decay().let_go();
                                         },
                                     .in_child =
                                         []() noexcept {
                                           host* here = current_host();
                                           tasklet* self =
                                               here != nullptr ? here->current_.load(base::relaxed) : nullptr;
                                           all_frames.abandon(self != nullptr ? &self->word_ : nullptr);
                                           all_frames.let_go();
                                           decay().forget_keeper();
                                           decay().let_go();
                                         }};

}  // namespace

frame_pool& frames() noexcept { return all_frames; }

void frame_pool::hold() noexcept {
  for (depot& d : depots_) {
    d.lock.lock();
  }
  region_lock_.lock();
}

void frame_pool::let_go() noexcept {
  region_lock_.unlock();
  for (depot& d : depots_) {
    d.lock.unlock();
  }
}

// "Created" is what a tasklet is that nobody runs: no claim succeeds, a cancel does nothing, and a handle that is dropped
// leaves the frame where it is, with whatever the parent's tasklet had in it.
void frame_pool::abandon(const base::atomic<std::uintptr_t>* but) noexcept {
  for (slab* s = slabs_.load(base::relaxed); s != nullptr; s = s->older) {
    const std::size_t size = frame_class_size(s->index);
    for (std::uint32_t i = 0; i < s->carved.load(base::relaxed); ++i) {
      std::byte* slot = s->first + i * size;
      auto& record = *reinterpret_cast<tasklet*>(slot + tasklet::frame_offset);  // or a channel's core: a lock, no word
      if ((s->is_free[i / 64] >> i % 64 & 1) != 0) {
        record.lock_.free_if_held();  // by a canceller that came too late
        continue;
      }
      record.lock_.abandon_if_held();
      auto& word = reinterpret_cast<free_slot*>(slot)->word;
      const tag now = tasklet::tag_of(word.load(base::relaxed));
      if (&word != but && (now == tag::runnable || now == tag::parked || now == tag::select)) {
        word.store(tasklet::bits(tag::created), base::relaxed);
        record.joiner_ = &record;  // nobody waits for its end here (handle.hpp)
      } else if ((&word == but || now == tag::done || now == tag::failed) && record.joiner_ != &record) {
        record.joiner_ = nullptr;  // who waited for it did so in the parent
      }
    }
  }
}

std::byte* frame_pool::map(std::size_t bytes) {
  std::byte* taken = nullptr;
  bool is_large = false;
  {
    const std::lock_guard guard(region_lock_);
    if (bytes > static_cast<std::size_t>(region_end_ - region_)) {
      void* memory = mmap(nullptr, region_size + huge_page, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) {
        throw std::bad_alloc();
      }
      auto* const low = static_cast<std::byte*>(memory);
      region_ = low + (huge_page - reinterpret_cast<std::uintptr_t>(low) % huge_page) % huge_page;
      region_end_ = region_ + region_size;
      ++regions_;
    }
    taken = std::exchange(region_, region_ + bytes);
    is_large = regions_ > small_regions;
  }
  if (is_large) {
    use_huge_pages(taken, taken + bytes);
  }
  return taken;
}

// Millions of frames are reached in no order: most of what that costs is the search for their pages. One huge page is made at
// a time, when its first byte is used, and not by advice for the region: the system would make them whole again after a trim.
void frame_pool::use_huge_pages(std::byte* from, const std::byte* end) noexcept {
  constexpr int advice_collapse = 25;  // MADV_COLLAPSE, younger than some headers; older kernels refuse it
  from += (huge_page - reinterpret_cast<std::uintptr_t>(from) % huge_page) % huge_page;
  for (; from < end; from += huge_page) {
    *from = std::byte{};  // there has to be something of it
    ::madvise(from, huge_page, advice_collapse);
  }
}

frame_pool::slab* frame_pool::map_slab(std::size_t index) {
  const std::size_t size = frame_class_size(index);
  const std::size_t bytes = (sizeof(slab) + size + slab_size - 1) / slab_size * slab_size;
  std::byte* memory = map(bytes);
  auto* s = new (memory) slab{};
  s->first = memory + sizeof(slab);
  s->index = index;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  s->granule = static_cast<std::uint32_t>(std::bit_width(std::max(bytes / 64, page) - 1));
  s->capacity = static_cast<std::uint32_t>((bytes - sizeof(slab)) / size);
  s->free = s->capacity;
  s->reciprocal = static_cast<std::uint32_t>(((std::uint64_t{1} << 32) + size - 1) / size);
  for (std::uint32_t i = 0; i < s->capacity; ++i) {
    s->is_free[i / 64] |= std::uint64_t{1} << i % 64;
  }
  base::poison(s->first, bytes - sizeof(slab));
  slab* newest = slabs_.load(base::relaxed);
  do {
    s->older = newest;
  } while (!slabs_.compare_exchange_weak(newest, s, base::release, base::relaxed));  // [slab.publish] model
  return s;
}

base::atomic<extras*>& frame_pool::extras_at(void* frame) {
  auto* slot = static_cast<free_slot*>(frame);
  slab& s = *slab_of(slot);
  base::atomic<extras*>* table = s.extras_of_slots.load(base::acquire);  // [slab.extras]
  if (table == nullptr) [[unlikely]] {
    auto* made = new base::atomic<extras*>[s.capacity]();
    if (s.extras_of_slots.compare_exchange_strong(table, made, base::release, base::acquire)) {  // [slab.extras] model
      table = made;
      base::is_no_leak(made);  // kept as long as the slab: for ever
    } else {
      delete[] made;
    }
  }
  return table[s.number_of(slot)];
}

// ---- lists of slabs

void frame_pool::slab_list::push_back(slab* s) noexcept {
  s->next = nullptr;
  s->prev = back;
  (back == nullptr ? front : back->next) = s;
  back = s;
  s->list = this;
}

void frame_pool::slab_list::push_front(slab* s) noexcept {
  s->prev = nullptr;
  s->next = front;
  (front == nullptr ? back : front->prev) = s;
  front = s;
  s->list = this;
}

void frame_pool::slab_list::remove(slab* s) noexcept {
  (s->prev == nullptr ? front : s->prev->next) = s->next;
  (s->next == nullptr ? back : s->next->prev) = s->prev;
  s->list = nullptr;
}

// The slabs that got free slots last come last.
void frame_pool::enlist(depot& d, slab* s) noexcept {
  d.resident.push_back(s);
  d.free += s->free;
  resident_slabs_.fetch_add(1, base::relaxed);  // a hint
}

void frame_pool::unlist(depot& d, slab* s) noexcept {
  if (s->list == &d.resident) {
    d.free -= s->free;
    resident_slabs_.fetch_sub(1, base::relaxed);
  }
  s->list->remove(s);
}

// ---- slots that come and go

// Notes that the pages under these bytes are about to be there.
void frame_pool::slab::touch(const std::byte* from, const std::byte* end) noexcept {
  const auto first_page = static_cast<std::size_t>(from - begin()) >> granule;
  const auto last_page = static_cast<std::size_t>(end - begin() - 1) >> granule;
  is_dropped &= ~(~std::uint64_t{0} >> (63 - last_page) & ~std::uint64_t{0} << first_page);
}

void frame_pool::provide(std::size_t index, depot& d) {
  if (d.resident.front != nullptr) [[likely]] {
    return;
  }
  slab* s = d.dropped.front;
  if (s != nullptr) {
    d.dropped.remove(s);
  } else {
    s = map_slab(index);
  }
  enlist(d, s);
}

// Takes     how many to cut out, not more than are free; where to append them.
// Returns   where the next is to be appended.
[[gnu::always_inline]] inline free_slot** frame_pool::cut(depot& d, slab& s, std::uint32_t count,
                                                          free_slot** end) noexcept {
  const std::size_t size = frame_class_size(s.index);
  const std::byte* begin = nullptr;
  std::uint32_t last = 0;
  for (std::uint32_t left = count; left != 0;) {
    std::uint64_t free = s.is_free[s.scanned];  // kept apart: the slots that are written to below could alias it
    if (free == 0) {
      ++s.scanned;
      continue;
    }
    for (; left != 0 && free != 0; --left, free &= free - 1) {
      last = s.scanned * 64 + static_cast<std::uint32_t>(std::countr_zero(free));
      std::byte* place = s.first + last * size;
      begin = begin == nullptr ? place : begin;
      base::unpoison(place, std::min(size, always_readable));
      __builtin_prefetch(place + 64, 1);  // else each of their owners waits for it, at its next locked operation
      *end = reinterpret_cast<free_slot*>(place);
      end = &(*end)->next;
    }
    s.is_free[s.scanned] = free;
  }
  s.free -= count;
  d.free -= count;
  if (s.is_dropped != 0) [[unlikely]] {
    s.touch(begin, s.first + (last + 1) * size);  // one taken long ago, or by a trim, which will note what it drops
  }
  if (last >= s.carved.load(base::relaxed)) {  // only changed under the depot's lock
    s.carved.store(last + 1, base::relaxed);   // a slot that is found too early reads as free
  }
  if (s.free == 0) {
    unlist(d, &s);
  }
  d.least_free = std::min(d.least_free, d.free);
  return end;
}

frame_pool::chain frame_pool::take(std::size_t index, std::uint32_t most) {
  base::register_fork_hook(frame_hook);
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  provide(index, d);
  chain taken;
  free_slot** end = &taken.first;
  while (taken.length < most && d.resident.front != nullptr) {
    slab& s = *d.resident.front;
    const std::uint32_t count = std::min(most - taken.length, s.free);
    end = cut(d, s, count, end);
    taken.length += count;
  }
  *end = nullptr;
  return taken;
}

free_slot* frame_pool::take_one(std::size_t index) {
  base::register_fork_hook(frame_hook);
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  provide(index, d);
  free_slot* one = nullptr;
  cut(d, *d.resident.front, 1, &one);
  return one;
}

void frame_pool::give_back(std::size_t index, free_slot* first) noexcept {
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  while (first != nullptr) {
    slab& s = *slab_of(first);
    if (s.list != &d.resident) {
      if (s.list != nullptr) {
        unlist(d, &s);
      }
      enlist(d, &s);
    }
    std::uint32_t count = 0;
    std::uint32_t lowest = s.scanned;
    do {
      const std::uint32_t number = s.number_of(first);
      s.is_free[number / 64] |= std::uint64_t{1} << number % 64;
      lowest = std::min(lowest, number / 64);
      ++count;
      first = first->next;
    } while (first != nullptr && slab_of(first) == &s);
    s.scanned = lowest;
    s.free += count;
    d.free += count;
  }
}

// ---- pages that go back to the system

void frame_pool::begin_trim() noexcept {
  for (depot& d : depots_) {
    const std::lock_guard guard(d.lock);
    d.surplus = std::exchange(d.least_free, d.free);
  }
}

// The trimmer takes all free slots of a slab, as if to use them, so nobody else has or gets any of them meanwhile.
bool frame_pool::trim_some() noexcept {
  for (depot& d : depots_) {
    slab* s = nullptr;
    bits mine;
    std::uint32_t count = 0;
    std::uint64_t gone = 0;
    {
      const std::lock_guard guard(d.lock);
      s = d.resident.back;
      if (s == nullptr || s->free > d.surplus) {
        d.surplus = 0;
        continue;
      }
      d.surplus -= s->free;
      unlist(d, s);
      d.least_free = std::min(d.least_free, d.free);
      mine = std::exchange(s->is_free, {});
      count = std::exchange(s->free, 0);
      gone = s->is_dropped;
    }
    const std::uint64_t dropped = drop_pages(*s, mine, gone);
    const std::lock_guard guard(d.lock);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      s->is_free[i] |= mine[i];
    }
    s->scanned = 0;
    s->free += count;
    s->is_dropped |= dropped;
    if (s->list == nullptr) {
      d.dropped.push_front(s);
    } else {
      d.free += count;  // somebody has given a slot of it back meanwhile
    }
    return true;
  }
  return false;
}

// Takes     the slots that are the caller's; which granules are not there. Returns which others have gone now.
std::uint64_t frame_pool::drop_pages(slab& s, const bits& mine, std::uint64_t gone) noexcept {
  const std::size_t size = frame_class_size(s.index);
  const auto head = static_cast<std::size_t>(s.first - s.begin());
  const std::size_t bytes = (head + s.capacity * size + slab_size - 1) / slab_size * slab_size;
  const std::size_t used = head + s.carved.load(base::relaxed) * size;  // what is free now cannot be carved meanwhile
  std::uint64_t wanted = 0;
  for (std::size_t g = 0; g < 64; ++g) {
    const std::size_t low = g << s.granule;
    const std::size_t high = (g + 1) << s.granule;
    if (low < head || low >= used || high > bytes || (gone >> g & 1) != 0) {
      continue;
    }
    bool is_ours = true;
    const std::size_t end = std::min<std::size_t>((high - 1 - head) / size + 1, s.capacity);  // then an unused rest
    for (std::size_t slot = (low - head) / size; is_ours && slot < end; ++slot) {
      is_ours = (mine[slot / 64] >> slot % 64 & 1) != 0;
    }
    wanted |= std::uint64_t{is_ours ? 1U : 0U} << g;
  }
  std::uint64_t dropped = 0;
  for (std::size_t g = 0; g < 64; ++g) {
    std::size_t end = g;
    while (end < 64 && (wanted >> end & 1) != 0) {
      ++end;
    }
    if (end != g && drop_run(s, s.begin() + (g << s.granule), s.begin() + (end << s.granule))) {
      for (std::size_t i = g; i < end; ++i) {
        dropped |= std::uint64_t{1} << i;
      }
    }
    g = end;
  }
  return dropped;
}

// A zeroed slot is a free one: its word says so, and its lock is open. But a late canceller (tasklet.hpp, I3) may hold the
// lock of a slot that is free by now, and one that found its core's address before may come for it at any time. Were the
// lock zeroed under its holder, the slot's next owner could lock it too, and the holder's unlock open it for a third. So
// the trimmer holds every lock in the pages that it drops, and the drop itself opens them: a canceller that waits finds
// the lock open in the new page, and what it does there lasts. Where a lock is taken the pages stay for this time.
// Slots that were never handed out nobody can know.
bool frame_pool::drop_run(slab& s, std::byte* low, std::byte* high) noexcept {
  const std::size_t size = frame_class_size(s.index);
  const std::size_t carved = s.carved.load(base::relaxed);  // what is free now cannot be carved meanwhile
  const auto offset = [](const std::byte* at) { return at + tasklet::frame_offset; };
  std::size_t begin = static_cast<std::size_t>(low - s.first) / size;
  if (offset(s.first + begin * size) < low) {
    ++begin;
  }
  std::size_t end = begin;
  bool is_all_ours = true;
  for (; end < carved && offset(s.first + end * size) < high; ++end) {
    if (!lock_in(s.first + end * size).try_lock()) {
      is_all_ours = false;
      break;
    }
  }
  if (is_all_ours && ::madvise(low, static_cast<std::size_t>(high - low), MADV_DONTNEED) == 0) {
    return true;
  }
  while (end > begin) {
    lock_in(s.first + --end * size).unlock();
  }
  return false;
}

// ---- a thread's own

void frame_cache::flush() noexcept {
  for (std::size_t index = 0; index < frame_class_count; ++index) {
    if (lists_[index].first != nullptr) {
      all_frames.give_back(index, std::exchange(lists_[index], {}).first);
    }
  }
}

void* frame_cache::refill(std::size_t index) {
  auto& list = lists_[index];
  list = all_frames.take(index, frame_pool::chain_length(index));
  free_slot* slot = list.first;
  list.first = slot->next;
  --list.length;
  return slot;
}

void frame_cache::spill(std::size_t index) noexcept {
  auto& list = lists_[index];
  const std::uint32_t length = frame_pool::chain_length(index);
  free_slot* const first = list.first;
  free_slot* last = first;
  for (std::uint32_t i = 1; i < length; ++i) {
    last = last->next;
  }
  list.first = std::exchange(last->next, nullptr);
  list.length -= length;
  all_frames.give_back(index, first);
}

void* allocate_frame_elsewhere(std::size_t size) {
  if (size > largest_frame) {
    throw std::bad_alloc();
  }
  const std::size_t index = frame_class(size);
  free_slot* const slot = all_frames.take_one(index);
  base::unpoison(slot, frame_class_size(index));
  return slot;
}

void free_frame_elsewhere(free_slot* slot, std::size_t index) noexcept {
  slot->next = nullptr;
  all_frames.give_back(index, slot);
}

}  // namespace martlet::detail
