#include <martlet/tasklet/frame_pool.hpp>

#include <algorithm>
#include <mutex>
#include <new>

#include <sys/mman.h>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/frame.hpp>

namespace martlet::detail {
namespace {

constinit frame_pool pool;

constexpr std::size_t slab_size = std::size_t{256} * 1024;

}  // namespace

frame_pool& frames() noexcept { return pool; }

void frame_pool::map_slab(std::size_t index, depot& d) {
  const std::size_t size = frame_class_size(index);
  const std::size_t head = 64;
  const std::size_t bytes = size + head > slab_size ? (size + head + 4095) / 4096 * 4096 : slab_size;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  auto* s = new (memory) slab{};
  s->first = static_cast<std::byte*>(memory) + head;
  s->index = index;
  s->capacity = static_cast<std::uint32_t>((bytes - head) / size);
  s->carved.store(0, base::relaxed);
  base::poison(s->first, bytes - head);
  slab* newest = slabs_.load(base::relaxed);
  do {
    s->older = newest;
  } while (!slabs_.compare_exchange_weak(newest, s, base::release, base::relaxed));  // [slab.publish]
  d.open = s;
}

frame_pool::chain frame_pool::take(std::size_t index) {
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  if (free_slot* first = d.chains; first != nullptr) {
    d.chains = first->next_chain;
    return {first, chain_length(index)};
  }
  if (free_slot* first = d.singles; first != nullptr) {
    d.singles = first->next;
    first->next = nullptr;
    return {first, 1};
  }
  if (d.open == nullptr || d.open->carved.load(base::relaxed) == d.open->capacity) {
    map_slab(index, d);
  }
  slab& s = *d.open;
  const std::size_t size = frame_class_size(index);
  const std::uint32_t from = s.carved.load(base::relaxed);  // only changed under the depot's lock
  const std::uint32_t count = std::min(chain_length(index), s.capacity - from);
  free_slot* first = nullptr;
  for (std::uint32_t i = from + count; i-- > from;) {
    std::byte* place = s.first + i * size;
    base::unpoison(place, std::min(size, always_readable));
    auto* slot = reinterpret_cast<free_slot*>(place);
    slot->next = first;
    first = slot;
  }
  s.carved.store(from + count, base::release);  // [slab.carve]
  return {first, count};
}

void frame_pool::give_back(std::size_t index, chain slots) noexcept {
  depot& d = depots_[index];
  const std::lock_guard guard(d.lock);
  if (slots.length == chain_length(index)) {
    slots.first->next_chain = d.chains;
    d.chains = slots.first;
    return;
  }
  while (slots.first != nullptr) {
    free_slot* slot = slots.first;
    slots.first = slot->next;
    slot->next = d.singles;
    d.singles = slot;
  }
}

frame_cache::~frame_cache() {
  for (std::size_t index = 0; index < frame_class_count; ++index) {
    if (lists_[index].first != nullptr) {
      lists_[index].length = 0;  // of any length: slot by slot
      pool.give_back(index, lists_[index]);
    }
  }
}

void* frame_cache::refill(std::size_t index) {
  auto& list = lists_[index];
  list = pool.take(index);
  free_slot* slot = list.first;
  list.first = slot->next;
  --list.length;
  return slot;
}

void frame_cache::spill(std::size_t index) noexcept {
  auto& list = lists_[index];
  const std::uint32_t length = frame_pool::chain_length(index);
  frame_pool::chain spilled{list.first, length};
  free_slot* last = list.first;
  for (std::uint32_t i = 1; i < length; ++i) {
    last = last->next;
  }
  list.first = last->next;
  list.length -= length;
  last->next = nullptr;
  pool.give_back(index, spilled);
}

void* allocate_frame_elsewhere(std::size_t size) {
  if (size > largest_frame) {
    throw std::bad_alloc();
  }
  const std::size_t index = frame_class(size);
  const frame_pool::chain taken = pool.take(index);
  if (taken.length > 1) {
    pool.give_back(index, {taken.first->next, 0});
  }
  base::unpoison(taken.first, frame_class_size(index));
  return taken.first;
}

void free_frame_elsewhere(free_slot* slot, std::size_t index) noexcept {
  slot->next = nullptr;
  pool.give_back(index, {slot, 1});
}

}  // namespace martlet::detail
