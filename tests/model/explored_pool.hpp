#pragma once

#include <martlet/base/atomic.hpp>

#include "stealing.hpp"

namespace martlet::detail {

/// A pool whose threads are the model's.
class explored_pool {
 public:
  explicit explored_pool(int workers, int lent_threads = 0)
      : pool_({.workers = workers, .lent_threads = lent_threads, .spin = {}, .report_overflow = false}) {}

  worker& at(std::size_t index) { return *pool_.workers_[index]; }

  /// Begins and ends a worker's time in the loop.
  void enter(worker& w) { pool_.occupy(w); }
  void leave(worker& w) { pool_.vacate(w); }

  /// Finds a place for the calling thread, which enters it next, as run_here and guests do.
  ///
  /// Returns   null when as many are inside as there are places.
  worker* find_place() { return pool_.find_place("test"); }
  void leave_behind(worker& place) { pool_.leave_behind(place); }

  /// Takes what is here, or waits for work.
  ///
  /// Returns   null when it was told to end.
  tasklet* next(worker& w) {
    tasklet* who = w.take_local();
    return who != nullptr ? who : pool_.find(w);
  }

  void bring(tasklet& who) { pool_.ready(&who, &who, nullptr, turn::next); }
  void bring(tasklet& who, worker& from) { pool_.ready(&who, &who, &from, turn::last); }
  void bring_pinned(tasklet& who, worker& to) {
    who.is_pinned_ = true;
    who.host_.store(&to, base::relaxed);
    pool_.ready(&who, &who, nullptr, turn::next);
  }
  void tell_to_end() { pool_.tell(stealing::command::stop); }
  bool has_visitors() const { return pool_.visitors_.load(base::relaxed) != 0; }
  bool all_ended() const { return pool_.all_ended(); }
  /// Spawns as a thread of somebody else's does. Takes where to say that it has begun.
  ///
  /// Returns   false when that is not accepted any more.
  bool spawn(tasklet& who, base::atomic<bool>& has_come) {
    pool_.begin_visit();
    has_come.store(true, base::release);
    bool is_accepted = true;
    try {
      pool_.admit();
      pool_.spawn_from_outside(&who);
    } catch (const martlet::misuse&) {
      is_accepted = false;
    }
    pool_.end_visit();
    return is_accepted;
  }
  void spawn(tasklet& who, worker& here) { pool_.spawn(&who, here); }
  void cancel_all() {
    pool_.go_to(stealing::phase::cancelling);
    pool_.cancel_all();
  }
  /// Accepts no more.
  ///
  /// Returns   whether nothing is left that has to end.
  bool close() {
    pool_.go_to(stealing::phase::closed);
    return pool_.seems_over();
  }

 private:
  stealing pool_;
};

}  // namespace martlet::detail
