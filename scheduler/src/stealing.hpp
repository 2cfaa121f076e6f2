#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <martlet/base/atomic.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/base/injector.hpp>
#include <martlet/base/topology.hpp>
#include <martlet/scheduler/options.hpp>
#include <martlet/tasklet/failure.hpp>

#include "patience.hpp"
#include "run_queue.hpp"
#include "side_pool.hpp"
#include "worker.hpp"

namespace martlet::detail {

/// The run queue of the product: a worker thread per core, balanced by stealing. README.md has the whole story.
class stealing : public run_queue, private failure_listener {
 public:
  /// Takes     after how many tasklets a worker looks around at the latest.
  explicit stealing(const scheduler_options& options, std::uint32_t longest_interval = 64);
  ~stealing() override;

  /// Starts the threads. Not done by the constructor: they call what a derived class overrides.
  ///
  /// Throws    std::system_error; then those that were started have ended.
  void start();

  void ready(tasklet* who, tasklet* root, host* here, turn when) noexcept override;
  tasklet* rotate(tasklet* who, tasklet* root, host& here) noexcept override;
  bool is_overloaded() noexcept override;
  void begin_visit() noexcept override { visitors_.fetch_add(1, base::seq_cst); }  // [visitor.come]
  void end_visit() noexcept override { visitors_.fetch_sub(1, base::release); }    // [visitor.leave]
  void spawn(tasklet* who, host& here) override;
  void spawn_from_outside(tasklet* who) override;
  void admit() const override;
  void require_own_process(const char* what) const override;
  bool is_of_own_process() const noexcept override { return generation_ == base::process_generation(); }
  void run_until(tasklet* who) override;
  std::unique_ptr<guest_seat> seat_guest() override;
  void stop() override;
  shutdown_report shutdown(base::instant deadline, std::chrono::nanoseconds grace) override;
  void drain() noexcept override;
  side_pool& side() noexcept override { return side_; }
  unsigned width() const noexcept override { return threads_wanted_; }
  scheduler_statistics statistics() const noexcept override;

  bool owns(const host* there) const noexcept override;

  // ---- for workers

  bool somebody_idle() const noexcept { return idle_.load(base::relaxed) != 0; }  // a hint

  /// Wakes one sleeping worker, unless one is searching already.
  void wake_one(worker* waker) noexcept;

  bool is_alone() const noexcept { return is_alone_; }
  void scope_filled() noexcept override;
  void scope_emptied() noexcept override;
  host& some_host() noexcept override { return *workers_.front(); }
  void look_at_timers_of(host& keeper) noexcept override;
  std::uint64_t turns_of(const host& there) const noexcept override {
    return static_cast<const worker&>(there).ticks_.load(base::relaxed);
  }
  void look_after(host& held) noexcept override { attend(static_cast<worker&>(held), true); }

 protected:
  worker& neighbour_of(const worker& w) noexcept {
    return threads_wanted_ == 0 ? *workers_[w.index_] : *workers_[(w.index_ + 1) % threads_wanted_];
  }

  /// Takes what comes first when a worker has looked around: foreign and pinned tasklets, then its oldest.
  virtual tasklet* take_first(worker& w);

 private:
  enum class command : std::uint32_t { run, stop, forked };
  enum class phase : std::uint32_t { open, closed, cancelling, over, forked };  // over: no thread will run anything

  // Who watches: nobody, a worker, or a guest for want of a worker. A worker takes over from a guest.
  static constexpr std::uint32_t nobody = 0;
  static constexpr std::uint32_t a_worker = 1;
  static constexpr std::uint32_t a_guest = 2;

  static constexpr std::uint64_t young_us = 20;  // an offer younger than this wakes nobody
  static constexpr base::instant shortest_nap = 50'000;
  static constexpr base::instant longest_nap = 1'000'000;
  static constexpr base::instant orphans_look = 5'000'000;  // between two looks at sockets that a lent thread has left
  static constexpr base::instant longest_watch = 400'000;   // it takes two to see that a worker has not moved

  class seat;

  void thread_main(worker& w);
  worker* find_place(const char* what);
  [[noreturn]] static void refuse_place(const char* what);
  void occupy(worker& w);
  void vacate(worker& w);
  void leave_behind(worker& w);
  void loop(worker& w);
  bool run_turns(worker& w, tasklet* who);
  static void begin_turn(worker& w, tasklet* root) noexcept;
  static bool resume_transferred(worker& w) noexcept;
  static void dispatch(worker& w, tasklet* who) noexcept;
  bool must_end(const worker& w) const noexcept {
    return w.leave_ || (command_.load(base::seq_cst) != command::run && obeys(w));  // [command.tell] [driver.install]
  }
  bool obeys(const worker& w) const noexcept;
  void tell(command what) noexcept;
  void left_by_fork(worker& w) noexcept;
  static void after_fork_in_child() noexcept;
  static base::fork_hook hook_;
  void begin_life(tasklet* who, host* here);
  void spawn_late(tasklet* who, host* here);

  tasklet* look_around(worker& w);
  void attend(worker& w, bool poll);
  void attend_orphans(worker& here);
  base::instant next_event(const worker& w) const noexcept;

  tasklet* find(worker& w);
  void begin_finding(worker& w) noexcept;
  void end_finding(worker& w, tasklet* who) noexcept;
  base::instant lie_down(worker& w);
  tasklet* get_up(worker& w);
  bool take_watch(worker& w) noexcept;
  void give_up_watch(worker& w) noexcept;
  tasklet* search(worker& w);
  bool await_search(worker& w, tasklet*& who);
  tasklet* search_once(worker& w);
  tasklet* take_foreign(worker& w);
  tasklet* take_injected();
  tasklet* steal(worker& w);
  tasklet* watch(worker& w);
  tasklet* take_loot(worker& w, tasklet* const* items, std::uint32_t count);
  bool sees_work(const worker& w) const noexcept;
  bool offers_partner(const worker& victim) const noexcept;
  void end_search(worker& w) noexcept;
  void settle_meter(worker& w) noexcept;
  bool somebody_works() const noexcept;
  bool needs_watcher(const worker& w) const noexcept;
  void note_ticks(worker& w, std::uint64_t now) const noexcept;
  bool tidy() noexcept;
  void keep_watch(worker& w) noexcept;

  void inject(tasklet* who) noexcept;
  void probe_queue(worker& w, std::uint64_t now, std::uint64_t time, std::uint32_t turns) noexcept;
  std::chrono::nanoseconds queue_wait() const noexcept;
  void share(worker& w) noexcept;
  void share_with_idle(worker& w) noexcept;

  template <class Visit, class Then>
  void for_each_alive(Visit visit, Then then);
  void cancel_all() noexcept;
  std::vector<survivor> survivors();
  bool all_ended() const noexcept;
  bool seems_over() noexcept;
  void go_to(phase next) noexcept;
  void start_thread(worker& w);
  void man_left_workers();
  bool wait_for_end(base::instant deadline);
  void end_threads() noexcept;

  const scheduler_options options_;
  const unsigned threads_wanted_;
  const std::uint32_t longest_interval_;
  const bool is_alone_;  // one worker and nobody lends another: nobody to share with
  const std::uint64_t cycles_per_us_;
  std::vector<base::processor> places_;                          // where workers are pinned; empty when they are not
  const std::uint32_t generation_ = base::process_generation();  // of the process that it was made in
  std::vector<std::unique_ptr<worker>> workers_;
  std::vector<std::thread> threads_;
  base::injector<tasklet*> injector_;
  queue_probe injected_probe_;

  // What the injector had no memory for. Empty but for such times.
  struct {
    base::spin_lock lock;
    tasklet_list items;
    base::atomic<std::uint32_t> count{0};  // [sleep.look]
  } unqueued_;

  // Read at every tick, written rarely.
  alignas(128) base::atomic<command> command_{command::run};
  base::atomic<std::uint32_t> idle_{0};  // workers that search, nap or sleep
  base::atomic<phase> phase_{phase::open};

  alignas(128) base::atomic<std::uint32_t> searching_{0};
  patience patience_;  // of whoever holds the search
  base::atomic<std::uint32_t> napping_{0};
  base::atomic<std::uint32_t> running_{0};     // threads in the loop, and guests
  base::atomic<std::uint64_t> not_before_{0};  // in cycles: stealing does not pay until then
  base::atomic<std::uint32_t> visitors_{0};    // threads of others that are handing work in
  base::atomic<std::uint64_t> foreign_spawned_{0};
  base::atomic<std::uint64_t> foreign_filled_{0};  // scopes
  base::atomic<std::uint64_t> foreign_wakes_{0};
  base::futex_word changed_{0};             // raised when a worker leaves
  std::mutex ending_;                       // held by whoever starts or joins threads for the end
  base::atomic<std::uint32_t> tidied_{0};   // which round of the memory's decay the queues have seen
  base::atomic<std::uint32_t> orphans_{0};  // unoccupied lent workers that still have timers or sockets

  side_pool side_;

  friend class explored_pool;  // of tests/model

  class outermost;  // the scope of what was spawned outside of any
  std::unique_ptr<outermost> outermost_;
};

}  // namespace martlet::detail
