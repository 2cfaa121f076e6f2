#include "execution.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <martlet/base/current.hpp>

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
  atomics_.clear();
  names_ = {"main"};
  failure_.clear();
  is_redundant_ = false;
  has_membarrier_ = true;
  time_ = first_time;
  current_ = 0;
  for (flow& each : flows_) {
    each.at = phase::none;
    each.read_since_pause.reset();
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
  base::set_current(nullptr);
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
    its.read_since_pause.reset();
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
  void* const its_thread_local = base::current();
  current_ = thread;
  left.switch_to(flows_[thread].on);
  current_ = me;
  base::set_current(its_thread_local);
}

std::size_t execution::choose() {
  thread_set enabled = 0;
  thread_set awake = 0;
  for (bool passes_time = false; enabled == 0; passes_time = true) {
    for (std::size_t thread = 0; thread < names_.size(); ++thread) {
      if (flows_[thread].at != phase::running || !is_enabled(thread, passes_time)) {
        continue;
      }
      if (next_[thread].what == kind::begin) {
        return thread;  // it touches nothing that others see
      }
      enabled |= thread_set{1} << thread;
      awake |= thread_set{reduction_.is_awake(thread)} << thread;
    }
    if (passes_time) {
      break;
    }
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

bool execution::is_enabled(std::size_t thread, bool passes_time) const noexcept {
  if (next_[thread].what == kind::join) {
    for (std::size_t other = 1; other < names_.size(); ++other) {
      if (flows_[other].at == phase::running) {
        return false;
      }
    }
  }
  std::array<std::uint8_t, max_locations> which;
  return next_[thread].what != kind::pause || next_[thread].watched.none() || changed(thread, which) != 0 ||
         next_[thread].limit <= time_ || (passes_time && next_[thread].has_limit());
}

// Which of the locations that the thread pauses for have a newer store than it has read.
std::size_t execution::changed(std::size_t thread, std::array<std::uint8_t, max_locations>& which) const noexcept {
  std::size_t count = 0;
  const location_set& watched = next_[thread].watched;
  for (std::size_t at = watched._Find_first(); at != watched.size(); at = watched._Find_next(at)) {
    const auto location = static_cast<std::uint8_t>(at);
    if (memory_.newest(location) > flows_[thread].last_read[location]) {
      which[count++] = location;
    }
  }
  return count;
}

// ---- what steps do

// The main thread runs before the others and after them. Where no other has used an atomic, it has one value.
//
// Returns   that value; null for what has a location.
std::uint64_t* execution::value_alone(const void* object, std::uint64_t initial) {
  if (current_ != 0) {
    return nullptr;
  }
  lifetime& its = atomics_[object];
  if (its.has_ended) {
    fail("an atomic was used after its end");
  }
  if (its.location >= 0) {
    return nullptr;
  }
  if (!std::exchange(its.has_value, true)) {
    its.value = initial;
  }
  return &its.value;
}

std::uint8_t execution::locate(const void* object, std::uint64_t initial) {
  lifetime& its = atomics_[object];
  if (its.has_ended) {
    fail("an atomic was used after its end");
  }
  if (its.born_at > now().steps[its.born_by]) {
    fail("an atomic is used, and its beginning does not happen before");
  }
  if (its.location < 0) {
    if (stored_by_.size() == max_locations) {
      fail("the program uses more than " + std::to_string(max_locations) + " atomics");
    }
    stored_by_.push_back({0});
    its.location = memory_.add_location(its.has_value ? its.value : initial);
  }
  return static_cast<std::uint8_t>(its.location);
}

void execution::construct(const void* object) {
  if (running_ != nullptr) {
    execution& self = *running_;
    self.atomics_[object] = {.born_by = self.current_, .born_at = self.now().steps[self.current_]};
  }
}

void execution::destroy(const void* object) {
  if (running_ == nullptr) {
    return;
  }
  execution& self = *running_;
  lifetime& its = self.atomics_[object];
  if (its.location >= 0 && !self.memory_.is_left_by_others(self.current_, static_cast<std::size_t>(its.location))) {
    self.fail("an atomic ends while another thread may still use it");
  }
  its.has_ended = true;
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
  flows_[current_].read_since_pause.set(location);
}

void execution::note_written(std::uint8_t location, std::uint64_t value) {
  event& made = events_.back();
  made.has_written = true;
  made.value_written = value;
  stored_by_[location].push_back(static_cast<std::uint32_t>(events_.size()));
  flows_[current_].last_read[location] = memory_.newest(location);
}

std::uint64_t execution::load(const void* object, std::uint64_t initial, memory_order order, const site& at) {
  if (const std::uint64_t* alone = value_alone(object, initial)) {
    return *alone;
  }
  const std::uint8_t location = locate(object, initial);
  order = order_of(order, true, false, at);
  reach({kind::load, location, 0, order, at});
  const place which = choose_store(location, order);
  memory_.load(current_, location, which, order);
  note_read(location, which);
  finish_step();
  return memory_.value(location, which);
}

void execution::store(const void* object, std::uint64_t initial, std::uint64_t value, memory_order order,
                      const site& at) {
  if (std::uint64_t* alone = value_alone(object, initial)) {
    *alone = value;
    return;
  }
  const std::uint8_t location = locate(object, initial);
  order = order_of(order, false, true, at);
  reach({kind::store, location, 0, order, at});
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
  if (std::uint64_t* alone = value_alone(object, initial)) {
    const bool is_equal = *alone == expected;
    expected = std::exchange(*alone, is_equal ? desired : *alone);
    return is_equal;
  }
  const std::uint8_t location = locate(object, initial);
  success = order_of(success, true, true, at);
  failure = order_of(failure, true, false, at);
  const bool is_seq_cst = success == std::memory_order_seq_cst || failure == std::memory_order_seq_cst;
  reach({kind::compare_exchange, location, 0, is_seq_cst ? std::memory_order_seq_cst : success, at});

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
  return order_of(std::memory_order_seq_cst, false, false, fence) == std::memory_order_seq_cst;
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
  wait_for_change(flows_[current_].read_since_pause, INT64_MAX, at);
  flows_[current_].read_since_pause.reset();
}

bool execution::sleep(const void* object, std::int64_t limit, const site& at) {
  location_set watched;
  watched.set(locate(object, 0));
  const bool has_changed = wait_for_change(watched, limit, at);
  if (!has_changed) {
    time_ = std::max(time_, limit);
  }
  return has_changed;
}

bool execution::wait_for_change(const location_set& watched, std::int64_t limit, const site& at) {
  reach({.what = kind::pause, .at = at, .watched = watched, .limit = limit});
  std::array<std::uint8_t, max_locations> which;
  const std::size_t count = changed(current_, which);
  if (count != 0) {
    const std::uint8_t location = which[is_redundant_ ? 0 : choices_.one_of(count)];
    memory_.see(current_, location, static_cast<place>(flows_[current_].last_read[location] + 1));
  }
  finish_step();
  return count != 0;
}

}  // namespace martlet::model
