#include "memory.hpp"

#include <algorithm>

namespace martlet::model {

namespace {

bool acquires(memory_order order) noexcept {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
bool releases(memory_order order) noexcept {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

}  // namespace

void memory::begin() {
  location_count_ = 0;
  threads_.fill({});
  seq_cst_.fill(0);
  fences_order_ = true;
  count_step(0);
}

std::uint8_t memory::add_location(std::uint64_t value) {
  if (location_count_ == locations_.size()) {
    locations_.emplace_back();
  }
  history& added = locations_[location_count_];
  added.stores.clear();
  added.stores.push_back({value, {}});
  added.last_step.fill(0);
  return static_cast<std::uint8_t>(location_count_++);
}

void memory::start(std::size_t thread, std::size_t parent) {
  const view& known = threads_[parent].now;
  threads_[thread] = {known, {}, {}, known.stores, {}};
  count_step(thread);
}

place memory::oldest(std::size_t thread, std::size_t location, memory_order order) const noexcept {
  const place known = threads_[thread].now.stores[location];
  return order == std::memory_order_seq_cst ? std::max(known, seq_cst_[location]) : known;
}

void memory::see(std::size_t thread, std::size_t location, place which) noexcept {
  place& known = threads_[thread].now.stores[location];
  known = std::max(known, which);
}

void memory::load(std::size_t thread, std::size_t location, place which, memory_order order) {
  knowledge& reader = threads_[thread];
  const stored& from = locations_[location].stores[which];
  locations_[location].last_step[thread] = reader.now.steps[thread];
  see(thread, location, which);
  (acquires(order) ? reader.now : reader.unacquired).join(from.message);
  if (order == std::memory_order_seq_cst) {
    seq_cst_[location] = std::max(seq_cst_[location], which);
  }
}

void memory::store(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order) {
  append(thread, location, value, order, nullptr);
}

void memory::exchange(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order) {
  const place replaced = newest(location);
  load(thread, location, replaced, order);
  const view passed_on = locations_[location].stores[replaced].message;
  append(thread, location, value, order, &passed_on);
}

void memory::append(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order,
                    const view* passed_on) {
  knowledge& writer = threads_[thread];
  history& there = locations_[location];
  there.last_step[thread] = writer.now.steps[thread];
  see(thread, location, static_cast<place>(there.stores.size()));
  there.stores.push_back({value, releases(order) ? writer.now : writer.released});
  if (passed_on != nullptr) {
    there.stores.back().message.join(*passed_on);
  }
  if (order == std::memory_order_seq_cst) {
    seq_cst_[location] = newest(location);
  }
}

void memory::full_fence(std::size_t thread) {
  knowledge& self = threads_[thread];
  const auto steps = self.now.steps;
  self.now.join(self.unacquired);
  raise(self.now.stores, seq_cst_);  // what was visited is in there too
  raise(seq_cst_, self.now.stores);
  if (!fences_order_) {
    self.now.steps = steps;
  }
  self.released = self.now;
  if (!fences_order_) {
    self.released.steps.fill(0);
  }
  self.settled = self.now.stores;
}

void memory::light_fence(std::size_t thread) {
  knowledge& self = threads_[thread];
  raise(self.now.stores, self.visited);
  self.settled = self.now.stores;
}

void memory::visit(std::size_t thread) {
  knowledge& visited = threads_[thread];
  raise(seq_cst_, visited.settled);
  raise(visited.visited, seq_cst_);
}

bool memory::is_left_by_others(std::size_t thread, std::size_t location) const noexcept {
  const auto& steps = threads_[thread].now.steps;
  const auto& last = locations_[location].last_step;
  for (std::size_t other = 0; other < max_threads; ++other) {
    if (last[other] > steps[other]) {
      return false;
    }
  }
  return true;
}

}  // namespace martlet::model
