#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "operation.hpp"
#include "view.hpp"

namespace martlet::model {

/// The memory that model threads share, after C++20.
///
/// A location is the list of its stores, in modification order, which is here the order in which they are executed. A
/// load may read any of them that its thread's view does not yet exclude. A store carries the view that who acquires it
/// gets; a read-modify-write passes on the view of the store that it replaces (a release sequence).
///
/// Sequential consistency: the single order S is the order of execution, and `seq_cst_` says for each location which
/// store nobody who comes later in S may overlook. A seq_cst load or store looks at and raises its own location there;
/// a full fence exchanges all that its thread knows with it.
///
/// Asymmetric fences: a heavy fence is a full fence of its thread, then one visit to each other thread, then a full
/// fence again. A visit is a full fence of the visited thread too, but the compiler may have moved that thread's
/// accesses as far as its nearest light fences. So it publishes what was settled at the last one and takes effect at
/// the next.
///
/// Source    views: Kang, Hur, Lahav, Vafeiadis, Dreyer: A promising semantics for relaxed-memory concurrency. POPL
///           2017, doi:10.1145/3009837.3009850. Fences: Goldblatt: Asymmetric fences. P1202R5.
class memory {
 public:
  void begin();

  /// Returns   the number of a new location.
  std::uint8_t add_location(std::uint64_t value);

  /// Copies what `parent` knows to a thread that it starts.
  void start(std::size_t thread, std::size_t parent);
  /// Tells `parent` what a thread that has ended knew.
  void join(std::size_t thread, std::size_t parent) { threads_[parent].now.join(threads_[thread].now); }
  void count_step(std::size_t thread) noexcept { ++threads_[thread].now.steps[thread]; }

  place oldest(std::size_t thread, std::size_t location, memory_order order) const noexcept;
  place newest(std::size_t location) const noexcept {
    return static_cast<place>(locations_[location].stores.size() - 1);
  }
  /// Returns   the newest store that the thread is known to have seen there.
  place known(std::size_t thread, std::size_t location) const noexcept { return threads_[thread].now.stores[location]; }
  void see(std::size_t thread, std::size_t location, place which) noexcept;
  std::uint64_t value(std::size_t location, place which) const noexcept {
    return locations_[location].stores[which].value;
  }

  void load(std::size_t thread, std::size_t location, place which, memory_order order);
  void store(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order);
  /// Takes the parts of the order that are for reading and for writing alike.
  void exchange(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order);

  /// From now on a fence lets nothing happen before anything: it bounds what loads may read, and no more.
  void forget_order_of_fences() noexcept { fences_order_ = false; }
  void full_fence(std::size_t thread);
  void light_fence(std::size_t thread);
  void visit(std::size_t thread);

  const view& now(std::size_t thread) const noexcept { return threads_[thread].now; }

  /// Returns   whether all that others have done there happens before now.
  bool is_left_by_others(std::size_t thread, std::size_t location) const noexcept;

 private:
  struct stored {
    std::uint64_t value;
    view message;
  };
  struct history {
    std::vector<stored> stores;
    std::array<place, max_threads> last_step{};  // of each thread, here
  };
  struct knowledge {
    view now;
    view released;    // at its last release fence: what its relaxed stores carry
    view unacquired;  // what its relaxed loads have read: for its next acquire fence
    places settled{};
    places visited{};
  };

  void append(std::size_t thread, std::size_t location, std::uint64_t value, memory_order order, const view* passed_on);

  std::vector<history> locations_;  // kept from execution to execution, for their memory
  std::size_t location_count_ = 0;
  std::array<knowledge, max_threads> threads_;
  places seq_cst_{};
  bool fences_order_ = true;
};

}  // namespace martlet::model
