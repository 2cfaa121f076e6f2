#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "choices.hpp"
#include "fiber.hpp"
#include "memory.hpp"
#include "operation.hpp"
#include "reduction.hpp"
#include "trace.hpp"
#include "weakening.hpp"

namespace martlet::model {

/// A thread of a program under test.
struct thread {
  const char* name;
  std::function<void()> run;
};

/// One run of the program after the other, each a path through the choices.
///
/// A thread stops before each of its steps, and the one that is chosen goes on; so a step runs from one operation on
/// shared memory up to the next. A path that would only repeat what another has shown is run to its end, so that its
/// threads end, but no choice is made on it any more (it is *redundant*).
class execution {
 public:
  execution(std::uint64_t seed, bool reduces, model::orders changed)
      : orders(std::move(changed)), choices_(seed), reduces_(reduces) {}
  execution(const execution&) = delete;
  execution& operator=(const execution&) = delete;

  /// Runs the program once.
  ///
  /// Returns   false when it failed; `failure` says how.
  bool run(const std::function<void()>& program);
  bool advance() { return choices_.advance(); }

  bool is_redundant() const noexcept { return is_redundant_; }
  const std::string& failure() const noexcept { return failure_; }

  // ---- for the program; on its fibers

  static execution& current();

  /// Say that an atomic begins or ends at an address. Outside of an execution nothing happens.
  static void construct(const void* object);
  static void destroy(const void* object);

  void start_and_join(std::initializer_list<thread> threads);
  [[noreturn]] void fail(const std::string& sentence);

  std::uint64_t load(const void* object, std::uint64_t initial, memory_order order, const site& at);
  void store(const void* object, std::uint64_t initial, std::uint64_t value, memory_order order, const site& at);
  /// Takes what makes the new value out of the old one.
  template <class Change>
  std::uint64_t exchange(const void* object, std::uint64_t initial, Change change, memory_order order, const site& at) {
    if (std::uint64_t* alone = value_alone(object, initial)) {
      return std::exchange(*alone, change(*alone));
    }
    const std::uint8_t location = locate(object, initial);
    order = order_of(order, true, true, at);
    reach({kind::exchange, location, 0, order, at});
    const std::uint64_t old = memory_.value(location, memory_.newest(location));
    replace(location, change(old), order);
    return old;
  }
  bool compare_exchange(const void* object, std::uint64_t initial, std::uint64_t& expected, std::uint64_t desired,
                        memory_order success, memory_order failure, const site& at);

  /// From now on a light fence and a heavy one are full fences, as where the kernel refuses membarrier.
  void forbid_membarrier() noexcept { has_membarrier_ = false; }
  static bool has_membarrier() noexcept { return running_ == nullptr || running_->has_membarrier_; }
  void forget_order_of_fences() noexcept { memory_.forget_order_of_fences(); }
  void full_fence(const site& at);
  void compiler_fence(const site& at);
  void light_fence(const site& at);
  void heavy_fence(const site& at);
  void pause(const site& at);
  /// Sleeps until `object` has a newer value than this thread has seen there, or until `limit`. Time passes when nobody
  /// else can go on, up to any of the limits; then all who have come to theirs can.
  ///
  /// Returns   whether it has one.
  bool sleep(const void* object, std::int64_t limit, const site& at);
  /// Returns   the time, in nanoseconds.
  std::int64_t time() const noexcept { return time_; }

  std::size_t thread() const noexcept { return current_; }
  const view& now() const noexcept { return memory_.now(current_); }

  model::orders orders;

 private:
  enum class phase : std::uint8_t { none, running, ended };

  struct flow {
    fiber on;
    phase at = phase::none;
    std::function<void()> run;
    std::array<place, max_locations> last_read{};
    location_set read_since_pause;
  };

  // What is known of an address. An atomic takes a location when the first thread that is not alone uses it: most of a
  // large object's never are.
  struct lifetime {
    std::size_t born_by = 0;  // a thread, and in which of its steps
    place born_at = 0;
    int location = -1;
    bool has_ended = false;
    bool has_value = false;  // what the main thread has stored while it was alone, which is no step
    std::uint64_t value = 0;
  };

  static void run_thread();

  std::uint64_t* value_alone(const void* object, std::uint64_t initial);
  std::uint8_t locate(const void* object, std::uint64_t initial);
  void reach(const operation& step);
  std::size_t choose();
  bool is_enabled(std::size_t thread, bool passes_time) const noexcept;
  bool wait_for_change(const location_set& watched, std::int64_t limit, const site& at);
  std::size_t changed(std::size_t thread, std::array<std::uint8_t, max_locations>& which) const noexcept;
  void go_on_with(std::size_t thread);

  // What one thread alone does before the others and after them needs no order.
  memory_order order_of(memory_order order, bool is_read, bool is_written, const site& at) {
    return orders.of(order, is_read, is_written, at, current_ != 0);
  }
  bool is_there(const site& fence);
  place choose_store(std::uint8_t location, memory_order order);
  void note_read(std::uint8_t location, place which);
  void note_written(std::uint8_t location, std::uint64_t value);
  void replace(std::uint8_t location, std::uint64_t value, memory_order order);
  void finish_step(place written = 0) {
    memory_.count_step(current_);
    reduction_.step(current_, next_[current_], written, next_);
  }

  static constexpr std::int64_t first_time = 1'000'000'000;
  static constexpr std::size_t most_steps = 5000;
  static inline execution* running_ = nullptr;

  choices choices_;
  bool reduces_;
  memory memory_;
  reduction reduction_;

  fiber host_;
  std::array<flow, max_threads> flows_;
  std::array<operation, max_threads> next_{};
  std::size_t current_ = 0;
  bool is_redundant_ = false;
  bool has_membarrier_ = true;
  std::int64_t time_ = 0;

  std::unordered_map<const void*, lifetime> atomics_;
  std::vector<std::string> names_;
  std::vector<event> events_;
  std::vector<std::vector<std::uint32_t>> stored_by_;  // for each location and place, the step that stored it
  std::string failure_;
};

}  // namespace martlet::model
