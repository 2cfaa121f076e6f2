#include "execution.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace martlet::model {

execution& execution::current() {
  if (running_ == nullptr) {
    std::fputs("model: an atomic was used outside of a program that is explored; make it inside\n", stderr);
    std::abort();
  }
  return *running_;
}

bool execution::run(const std::function<void()>& program) {
  choices_.begin();
  memory_.begin();
  reduction_.begin();
  next_.fill({});
  events_.clear();
  stored_by_.clear();
  addresses_.clear();
  births_.clear();
  ended_.clear();
  names_ = {"main"};
  failure_.clear();
  is_redundant_ = false;
  has_membarrier_ = true;
  current_ = 0;
  for (flow& each : flows_) {
    each.at = phase::none;
    each.read_since_pause = 0;
  }
  flows_[0].at = phase::running;
  flows_[0].run = program;
  flows_[0].on.prepare(&run_thread);
  running_ = this;
  host_.switch_to(flows_[0].on);
  running_ = nullptr;
  if (failure_.empty() && choices_.has_strayed()) {
    failure_ = "the program is not the same each time that it runs\n";
  }
  return failure_.empty();
}

void execution::run_thread() {
  execution& self = *running_;
  flow& mine = self.flows_[self.current_];
  try {
    mine.run();
  } catch (const std::exception& thrown) {
    self.fail(std::string("an exception left the thread: ") + thrown.what());
  }
  if (self.current_ == 0) {
    mine.on.switch_to(self.host_);
  }
  mine.at = phase::ended;
  const std::size_t next = self.choose();
  self.current_ = next;
  mine.on.switch_to(self.flows_[next].on);
  std::abort();
}

void execution::start_and_join(std::initializer_list<model::thread> threads) {
  if (current_ != 0 || threads.size() >= max_threads) {
    fail("the main thread alone starts threads, and at most " + std::to_string(max_threads - 1));
  }
  names_.resize(1);
  for (const model::thread& started : threads) {
    const std::size_t index = names_.size();
    names_.emplace_back(started.name);
    memory_.start(index, 0);
    next_[index] = {.what = kind::begin};
    flow& its = flows_[index];
    its.at = phase::running;
    its.run = started.run;
    its.read_since_pause = 0;
    its.on.prepare(&run_thread);
  }
  memory_.count_step(0);
  reach({.what = kind::join});
  for (std::size_t index = 1; index < names_.size(); ++index) {
    memory_.join(index, 0);
  }
  finish_step();
}

void execution::fail(const std::string& sentence) {
  failure_ = sentence + ", in " + names_[current_] + "\n" + to_text(events_, names_);
  fiber& left = flows_[current_].on;
  left.switch_to(host_);
  std::abort();
}

// ---- steps

void execution::reach(const operation& step) {
  next_[current_] = step;
  const std::size_t me = current_;
  const std::size_t chosen = choose();
  if (chosen != me) {
    go_on_with(chosen);
  }
  events_.push_back({.step = step, .thread = static_cast<std::uint8_t>(me)});
  if (events_.size() > most_steps) {
    fail("the program makes more than " + std::to_string(most_steps) +
         " steps; does a loop wait for another thread without cpu_pause()?");
  }
}

void execution::go_on_with(std::size_t thread) {
  fiber& left = flows_[current_].on;
  const std::size_t me = current_;
  current_ = thread;
  left.switch_to(flows_[thread].on);
  current_ = me;
}

std::size_t execution::choose() {
  thread_set enabled = 0;
  thread_set awake = 0;
  for (std::size_t thread = 0; thread < names_.size(); ++thread) {
    if (flows_[thread].at != phase::running || !is_enabled(thread)) {
      continue;
    }
    if (next_[thread].what == kind::begin) {
      return thread;  // it touches nothing that others see
    }
    enabled |= thread_set{1} << thread;
    awake |= thread_set{reduction_.is_awake(thread)} << thread;
  }
  if (enabled == 0) {
    fail("nobody can go on: all threads wait");
  }
  is_redundant_ = is_redundant_ || awake == 0;
  if (is_redundant_) {
    return ((enabled >> current_) & 1) != 0 ? current_ : static_cast<std::size_t>(std::countr_zero(enabled));
  }
  if (std::has_single_bit(awake)) {
    return static_cast<std::size_t>(std::countr_zero(awake));
  }
  const std::size_t chosen = choices_.thread(awake, current_);
  for (thread_set explored = reduces_ ? choices_.explored() : 0; explored != 0; explored &= explored - 1) {
    reduction_.cover(static_cast<std::size_t>(std::countr_zero(explored)));
  }
  return chosen;
}

bool execution::is_enabled(std::size_t thread) const noexcept {
  if (next_[thread].what == kind::join) {
    for (std::size_t other = 1; other < names_.size(); ++other) {
      if (flows_[other].at == phase::running) {
        return false;
      }
    }
  }
  std::array<std::uint8_t, max_locations> which;
  return next_[thread].what != kind::pause || next_[thread].watched == 0 || changed(thread, which) != 0;
}

// Which of the locations that the thread pauses for have a newer store than it has read.
std::size_t execution::changed(std::size_t thread, std::array<std::uint8_t, max_locations>& which) const noexcept {
  std::size_t count = 0;
  for (std::uint64_t watched = next_[thread].watched; watched != 0; watched &= watched - 1) {
    const auto location = static_cast<std::uint8_t>(std::countr_zero(watched));
    if (memory_.newest(location) > flows_[thread].last_read[location]) {
      which[count++] = location;
    }
  }
  return count;
}

// ---- what steps do

std::uint8_t execution::locate(const void* object, std::uint64_t initial) {
  if (const auto known = std::find(addresses_.begin(), addresses_.end(), object); known != addresses_.end()) {
    const auto location = static_cast<std::uint8_t>(known - addresses_.begin());
    if (births_[location].step > now().steps[births_[location].thread]) {
      fail("an atomic is used, and its beginning does not happen before");
    }
    return location;
  }
  if (std::find(ended_.begin(), ended_.end(), object) != ended_.end()) {
    fail("an atomic was used after its end");
  }
  return add_location(object, initial, {});
}

std::uint8_t execution::add_location(const void* object, std::uint64_t initial, const birth& born) {
  if (addresses_.size() == max_locations) {
    fail("the program has more than " + std::to_string(max_locations) + " atomics");
  }
  addresses_.push_back(object);
  births_.push_back(born);
  stored_by_.push_back({0});
  return memory_.add_location(initial);
}

void execution::construct(const void* object, std::uint64_t initial) {
  if (running_ != nullptr) {
    execution& self = *running_;
    std::replace(self.addresses_.begin(), self.addresses_.end(), object, static_cast<const void*>(nullptr));
    std::erase(self.ended_, object);
    self.add_location(object, initial, {self.current_, self.now().steps[self.current_]});
  }
}

void execution::destroy(const void* object) {
  if (running_ == nullptr) {
    return;
  }
  execution& self = *running_;
  const auto known = std::find(self.addresses_.begin(), self.addresses_.end(), object);
  if (known != self.addresses_.end()) {
    if (!self.memory_.is_left_by_others(self.current_, static_cast<std::size_t>(known - self.addresses_.begin()))) {
      self.fail("an atomic ends while another thread may still use it");
    }
    *known = nullptr;
  }
  self.ended_.push_back(object);
}

place execution::choose_store(std::uint8_t location, memory_order order) {
  const place newest = memory_.newest(location);
  if (is_redundant_) {
    return newest;
  }
  const place oldest = std::max(memory_.oldest(current_, location, order), reduction_.covered(current_));
  return static_cast<place>(newest - choices_.one_of(static_cast<std::size_t>(newest - oldest) + 1));
}

void execution::note_read(std::uint8_t location, place which) {
  event& made = events_.back();
  made.has_read = true;
  made.value_read = memory_.value(location, which);
  made.read_from = stored_by_[location][static_cast<std::size_t>(which)];
  flows_[current_].last_read[location] = which;
  flows_[current_].read_since_pause |= std::uint64_t{1} << location;
}

void execution::note_written(std::uint8_t location, std::uint64_t value) {
  event& made = events_.back();
  made.has_written = true;
  made.value_written = value;
  stored_by_[location].push_back(static_cast<std::uint32_t>(events_.size()));
  flows_[current_].last_read[location] = memory_.newest(location);
}

std::uint64_t execution::load(const void* object, std::uint64_t initial, memory_order order, const site& at) {
  const std::uint8_t location = locate(object, initial);
  order = orders.of(order, true, false, at);
  reach({kind::load, location, 0, 0, order, at});
  const place which = choose_store(location, order);
  memory_.load(current_, location, which, order);
  note_read(location, which);
  finish_step();
  return memory_.value(location, which);
}

void execution::store(const void* object, std::uint64_t initial, std::uint64_t value, memory_order order,
                      const site& at) {
  const std::uint8_t location = locate(object, initial);
  order = orders.of(order, false, true, at);
  reach({kind::store, location, 0, 0, order, at});
  memory_.store(current_, location, value, order);
  note_written(location, value);
  finish_step(memory_.newest(location));
}

void execution::replace(std::uint8_t location, std::uint64_t value, memory_order order) {
  note_read(location, memory_.newest(location));
  memory_.exchange(current_, location, value, order);
  note_written(location, value);
  finish_step(memory_.newest(location));
}

bool execution::compare_exchange(const void* object, std::uint64_t initial, std::uint64_t& expected,
                                 std::uint64_t desired, memory_order success, memory_order failure, const site& at) {
  const std::uint8_t location = locate(object, initial);
  success = orders.of(success, true, true, at);
  failure = orders.of(failure, true, false, at);
  const bool is_seq_cst = success == std::memory_order_seq_cst || failure == std::memory_order_seq_cst;
  reach({kind::compare_exchange, location, 0, 0, is_seq_cst ? std::memory_order_seq_cst : success, at});

  // It reads the newest store, or fails by an older one that differs.
  const place newest = memory_.newest(location);
  place which = newest;
  if (!is_redundant_) {
    std::vector<place> readable{newest};
    const place oldest = std::max(memory_.oldest(current_, location, failure), reduction_.covered(current_));
    for (place older = static_cast<place>(newest - 1); older >= oldest; --older) {
      if (memory_.value(location, older) != expected) {
        readable.push_back(older);
      }
    }
    which = readable[choices_.one_of(readable.size())];
  }
  if (which == newest && memory_.value(location, newest) == expected) {
    replace(location, desired, success);
    return true;
  }
  memory_.load(current_, location, which, failure);
  note_read(location, which);
  finish_step();
  expected = memory_.value(location, which);
  return false;
}

bool execution::is_there(const site& fence) {
  return orders.of(std::memory_order_seq_cst, false, false, fence) == std::memory_order_seq_cst;
}

void execution::full_fence(const site& at) {
  if (!is_there(at)) {
    return;
  }
  reach({.what = kind::full_fence, .at = at});
  memory_.full_fence(current_);
  finish_step();
}

void execution::compiler_fence(const site& at) {
  if (!is_there(at)) {
    return;
  }
  reach({.what = kind::light_fence, .at = at});
  memory_.light_fence(current_);
  finish_step();
}

void execution::light_fence(const site& at) { has_membarrier_ ? compiler_fence(at) : full_fence(at); }

void execution::heavy_fence(const site& at) {
  full_fence(at);
  if (!has_membarrier_ || !is_there(at)) {
    return;
  }
  for (std::size_t other = 1; other < names_.size(); ++other) {  // the main thread waits, or is alone
    if (other != current_) {
      reach({.what = kind::visit, .target = static_cast<std::uint8_t>(other), .at = at});
      memory_.visit(other);
      finish_step();
    }
  }
  full_fence(at);
}

void execution::pause(const site& at) {
  flow& mine = flows_[current_];
  reach({.what = kind::pause, .watched = mine.read_since_pause, .at = at});
  mine.read_since_pause = 0;
  std::array<std::uint8_t, max_locations> which;
  if (const std::size_t count = changed(current_, which); count != 0) {
    const std::uint8_t location = which[is_redundant_ ? 0 : choices_.one_of(count)];
    memory_.see(current_, location, static_cast<place>(mine.last_read[location] + 1));
  }
  finish_step();
}

}  // namespace martlet::model
