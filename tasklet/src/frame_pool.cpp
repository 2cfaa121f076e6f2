#include <martlet/tasklet/frame_pool.hpp>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/frame.hpp>

namespace martlet::detail {
namespace {

constinit frame_pool pool;

}  // namespace

frame_pool& frames() noexcept { return pool; }

std::byte* frame_pool::map(std::size_t bytes) {
  const std::lock_guard guard(region_lock_);
  if (bytes > static_cast<std::size_t>(region_end_ - region_)) {
    void* memory =
        mmap(nullptr, region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    auto* const low = static_cast<std::byte*>(memory);
    region_ = low + (slab_size - reinterpret_cast<std::uintptr_t>(low) % slab_size) % slab_size;
    region_end_ = low + region_size;
  }
  return std::exchange(region_, region_ + bytes);
}

frame_pool::slab* frame_pool::map_slab(std::size_t index) {
  const std::size_t size = frame_class_size(index);
  const std::size_t bytes = (sizeof(slab) + size + slab_size - 1) / slab_size * slab_size;
  std::byte* memory = map(bytes);
  auto* s = new (memory) slab{};
  s->first = memory + sizeof(slab);
  s->index = index;
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
  } while (!slabs_.compare_exchange_weak(newest, s, base::release, base::relaxed));  // [slab.publish]
  return s;
}

base::atomic<extras*>& frame_pool::extras_at(void* frame) {
  auto* slot = static_cast<free_slot*>(frame);
  slab& s = *slab_of(slot);
  base::atomic<extras*>* table = s.extras_of_slots.load(base::acquire);  // [slab.extras]
  if (table == nullptr) [[unlikely]] {
    auto* made = new base::atomic<extras*>[s.capacity]();
    if (s.extras_of_slots.compare_exchange_strong(table, made, base::acq_rel)) {  // [slab.extras]
      table = made;
    } else {
      delete[] made;
    }
  }
  return table[s.number_of(slot)];
}

void frame_pool::append(depot& d, slab* s) noexcept {
  s->next = nullptr;
  (d.front == nullptr ? d.front : d.back->next) = s;
  d.back = s;
}

frame_pool::chain frame_pool::take(std::size_t index, std::uint32_t most) {
  depot& d = depots_[index];
  const std::size_t size = frame_class_size(index);
  const std::lock_guard guard(d.lock);
  if (d.front == nullptr) {
    append(d, map_slab(index));
  }
  chain taken;
  free_slot** end = &taken.first;
  while (taken.length < most && d.front != nullptr) {
    slab& s = *d.front;
    std::uint32_t last = 0;
    for (; taken.length < most && s.free != 0; ++taken.length, --s.free) {
      while (s.is_free[s.scanned] == 0) {
        ++s.scanned;
      }
      last = s.scanned * 64 + static_cast<std::uint32_t>(std::countr_zero(s.is_free[s.scanned]));
      s.is_free[s.scanned] &= s.is_free[s.scanned] - 1;
      std::byte* place = s.first + last * size;
      base::unpoison(place, std::min(size, always_readable));
      *end = reinterpret_cast<free_slot*>(place);
      end = &(*end)->next;
    }
    if (last >= s.carved.load(base::relaxed)) {  // only changed under the depot's lock
      s.carved.store(last + 1, base::release);   // [slab.carve]
    }
    if (s.free == 0) {
      d.front = s.next;
    }
  }
  *end = nullptr;
  return taken;
}

void frame_pool::give_back(std::size_t index, free_slot* first) noexcept {
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  while (first != nullptr) {
    slab& s = *slab_of(first);
    const std::uint32_t number = s.number_of(first);
    first = first->next;
    s.is_free[number / 64] |= std::uint64_t{1} << number % 64;
    s.scanned = std::min(s.scanned, number / 64);
    if (++s.free == 1) {
      append(d, &s);
    }
  }
}

frame_cache::~frame_cache() {
  for (std::size_t index = 0; index < frame_class_count; ++index) {
    pool.give_back(index, lists_[index].first);
  }
}

void* frame_cache::refill(std::size_t index) {
  auto& list = lists_[index];
  list = pool.take(index, frame_pool::chain_length(index));
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
  pool.give_back(index, first);
}

void* allocate_frame_elsewhere(std::size_t size) {
  if (size > largest_frame) {
    throw std::bad_alloc();
  }
  const std::size_t index = frame_class(size);
  free_slot* const slot = pool.take(index, 1).first;
  base::unpoison(slot, frame_class_size(index));
  return slot;
}

void free_frame_elsewhere(free_slot* slot, std::size_t index) noexcept {
  slot->next = nullptr;
  pool.give_back(index, slot);
}

}  // namespace martlet::detail
