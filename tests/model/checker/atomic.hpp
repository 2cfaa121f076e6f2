#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "execution.hpp"

/// What base/atomic.hpp is in a program that the checker explores: each operation is a step of a model thread.
namespace martlet::base {

using memory_order = std::memory_order;
inline constexpr memory_order relaxed = std::memory_order_relaxed;
inline constexpr memory_order acquire = std::memory_order_acquire;
inline constexpr memory_order release = std::memory_order_release;
inline constexpr memory_order acq_rel = std::memory_order_acq_rel;
inline constexpr memory_order seq_cst = std::memory_order_seq_cst;

/// As std::atomic, and of the same size: a location in the memory of the execution that runs is known by its address, so
/// one that lies in a union and was never constructed works too. Each function ends with where it is called.
template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  using site = model::site;

 public:
  using value_type = T;

  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr atomic(T value) noexcept : initial_(value) {
    if (!std::is_constant_evaluated()) {
      model::execution::construct(this);
    }
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) {
      model::execution::destroy(this);
    }
  }

  T load(memory_order order = seq_cst, site at = site::here()) const noexcept {
    return to_value(here().load(this, to_bits(initial_), order, at));
  }
  void store(T value, memory_order order = seq_cst, site at = site::here()) noexcept {
    here().store(this, to_bits(initial_), to_bits(value), order, at);
  }
  T exchange(T value, memory_order order = seq_cst, site at = site::here()) noexcept {
    return change([value](T) { return value; }, order, at);
  }

  T fetch_add(auto by, memory_order order = seq_cst, site at = site::here()) noexcept {
    return change([by](T old) { return static_cast<T>(old + by); }, order, at);
  }
  T fetch_sub(auto by, memory_order order = seq_cst, site at = site::here()) noexcept {
    return change([by](T old) { return static_cast<T>(old - by); }, order, at);
  }
  T fetch_or(T by, memory_order order = seq_cst, site at = site::here()) noexcept {
    return change([by](T old) { return static_cast<T>(old | by); }, order, at);
  }
  T fetch_and(T by, memory_order order = seq_cst, site at = site::here()) noexcept {
    return change([by](T old) { return static_cast<T>(old & by); }, order, at);
  }

  bool compare_exchange_strong(T& expected, T desired, memory_order success, memory_order failure,
                               site at = site::here()) noexcept {
    std::uint64_t bits = to_bits(expected);
    const bool is_done = here().compare_exchange(this, to_bits(initial_), bits, to_bits(desired), success, failure, at);
    expected = to_value(bits);
    return is_done;
  }
  bool compare_exchange_strong(T& expected, T desired, memory_order order = seq_cst, site at = site::here()) noexcept {
    return compare_exchange_strong(expected, desired, order, without_release(order), at);
  }
  // It does not fail without a reason here.
  bool compare_exchange_weak(T& expected, T desired, memory_order success, memory_order failure,
                             site at = site::here()) noexcept {
    return compare_exchange_strong(expected, desired, success, failure, at);
  }
  bool compare_exchange_weak(T& expected, T desired, memory_order order = seq_cst, site at = site::here()) noexcept {
    return compare_exchange_strong(expected, desired, order, without_release(order), at);
  }

 private:
  static model::execution& here() { return model::execution::current(); }

  static std::uint64_t to_bits(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }
  static T to_value(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
    return value;
  }

  static memory_order without_release(memory_order order) noexcept {
    return order == acq_rel ? acquire : order == release ? relaxed : order;
  }

  T change(auto by, memory_order order, const site& at) noexcept {
    return to_value(here().exchange(
        this, to_bits(initial_), [&](std::uint64_t old) { return to_bits(by(to_value(old))); }, order, at));
  }

  T initial_;  // what it has when an execution first uses it; never changed
};

/// Waits until something that this thread has read since its last pause has changed, however often it is to pause.
inline void cpu_pause(int = 1, model::site at = model::site::here()) { model::execution::current().pause(at); }

}  // namespace martlet::base
