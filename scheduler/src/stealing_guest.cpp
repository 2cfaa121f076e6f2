#include "stealing.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <martlet/base/check.hpp>
#include <martlet/base/signal_stack.hpp>
#include <martlet/scheduler/scheduler.hpp>
#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/errors.hpp>

#include "event_driver.hpp"

// A worker that is run by somebody else's event loop. README.md says how it takes part in the sleep protocol.
namespace martlet::detail {
namespace {

// A descriptor that is closed with its owner.
class own_descriptor {
 public:
  own_descriptor(int made, const char* what) : fd_(made) {
    if (fd_ < 0) {
      throw std::system_error(errno, std::generic_category(), std::string("martlet: no ") + what + " for a guest");
    }
  }
  own_descriptor(const own_descriptor&) = delete;
  own_descriptor& operator=(const own_descriptor&) = delete;
  ~own_descriptor() { ::close(fd_); }

  operator int() const noexcept { return fd_; }

 private:
  int fd_;
};

// The thread runs no tasklets any more, whatever ends the poll.
struct leave_thread {
  leave_thread() noexcept = default;
  leave_thread(const leave_thread&) = delete;
  leave_thread& operator=(const leave_thread&) = delete;
  ~leave_thread() { base::set_current(nullptr); }
};

}  // namespace

class stealing::seat final : public guest_seat {
 public:
  explicit seat(stealing& pool);
  seat(const seat&) = delete;
  seat& operator=(const seat&) = delete;
  ~seat() override;

  int descriptor() const noexcept override { return events_; }
  bool poll(const poll_budget& most) override;

 private:
  enum class stop_at : std::uint8_t { nothing_left, budget };

  stop_at run(const poll_budget& most);
  tasklet* rest();
  void get_going(tasklet* who) noexcept;
  void put_back(tasklet* who) noexcept;
  void requeue_handoff() noexcept;
  void watch(driver& present);
  void arm(base::instant due) noexcept;

  stealing& pool_;
  const std::thread::id thread_ = std::this_thread::get_id();
  own_descriptor events_;  // an epoll over the next and what the driver offers
  own_descriptor timer_;
  std::optional<base::signal_stack> for_faults_;
  carrier here_;
  worker* worker_ = nullptr;
  driver* watched_ = nullptr;
  base::instant armed_ = base::never;
  bool is_resting_ = false;  // it has said that it sleeps
};

std::unique_ptr<guest_seat> stealing::seat_guest() { return std::make_unique<seat>(*this); }

stealing::seat::seat(stealing& pool)
    : pool_(pool),
      events_(::epoll_create1(EPOLL_CLOEXEC), "epoll"),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd") {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (::epoll_ctl(events_, EPOLL_CTL_ADD, timer_, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "martlet: no epoll for a guest");
  }
  if (pool.options_.report_overflow) {
    for_faults_.emplace();
  }
  worker* place = pool.find_place("guest");
  if (place == nullptr) {
    refuse_place("guest");
  }
  worker& w = *place;
  try {
    if (w.driver_.load(base::relaxed)->event_fd() < 0) {
      install_driver(w, std::make_unique<event_driver>());
    }
    watch(*w.driver_.load(base::relaxed));
  } catch (...) {
    w.let_in_others();
    throw;
  }
  worker_ = &w;
  w.carrier_ = &here_;
  w.is_guest_ = true;
  w.seat_ = this;
  w.guest_thread_.store(thread_, base::relaxed);
  pool.occupy(w);
  base::set_current(nullptr);
  watched_->notify();  // readable: what a first poll finds is not known
}

stealing::seat::~seat() {
  worker& w = *worker_;
  if (!pool_.is_of_own_process()) {
    return;  // a child of fork: the place is the parent's
  }
  if (std::this_thread::get_id() != thread_ || current_host() != nullptr) {
    base::fatal("a martlet::guest was destroyed ", current_host() != nullptr ? "inside a tasklet" : "on another thread",
                ": destroy it in its event loop's thread, between two polls");
  }
  base::set_current(static_cast<host*>(&w));
  if (is_resting_) {
    tasklet* who = pool_.get_up(w);
    get_going(who);
    put_back(who);
  }
  w.is_guest_ = false;
  w.seat_ = nullptr;
  w.guest_thread_.store({}, base::relaxed);
  pool_.leave_behind(w);
}

// The driver may have been replaced by the first tasklet that waited for a socket.
void stealing::seat::watch(driver& present) {
  if (watched_ == &present) {
    return;
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 1}};
  if (::epoll_ctl(events_, EPOLL_CTL_ADD, present.event_fd(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "martlet: a guest's epoll cannot watch its driver");
  }
  if (watched_ != nullptr) {
    ::epoll_ctl(events_, EPOLL_CTL_DEL, watched_->event_fd(), &event);
  }
  watched_ = &present;
}

void stealing::seat::arm(base::instant due) noexcept {
  if (due == armed_) {  // still to come: who has been told of a time that has passed does not rest for it
    return;
  }
  constexpr base::instant second = 1'000'000'000;
  armed_ = due;
  itimerspec when{};  // nothing: disarmed
  if (due != base::never) {
    when.it_value = {.tv_sec = static_cast<time_t>(due / second), .tv_nsec = static_cast<long>(due % second)};
  }
  ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

bool stealing::seat::poll(const poll_budget& most) {
  pool_.require_own_process("guest::poll");
  if (current_host() != nullptr) {
    throw misuse("guest::poll: called inside a tasklet; its event loop calls it, between its callbacks");
  }
  if (std::this_thread::get_id() != thread_) {
    throw misuse(
        "guest::poll: called on another thread than the one that made the guest; make a guest for each thread");
  }
  worker& w = *worker_;
  here_.note_control_bits();  // the thread is the loop's, which may have changed them
  base::set_current(static_cast<host*>(&w));
  const leave_thread afterwards;
  w.driver_.load(base::relaxed)->wait(0);  // takes back what it was told, and serves the sockets
  w.last_look_ = w.last_poll_ = base::cycles();
  w.interval_ = 1;  // the time is looked at after one turn, then after two more, and so on while they are short
  const stop_at why = run(most);
  try {
    watch(*w.driver_.load(base::relaxed));
  } catch (...) {
    watched_->notify();  // the next poll tries it again
    throw;
  }
  if (why == stop_at::budget) {  // as a worker inside a long tasklet: others may take what is ready here
    if (w.detach_ != nullptr) {
      w.detach_(w);
    }
    w.current_.store(nullptr, base::relaxed);
    watched_->notify();  // readable, until the next poll
  }
  return why == stop_at::budget;
}

// Returns   why it stopped; with nothing left it has said that it sleeps, and the timer is armed.
stealing::seat::stop_at stealing::seat::run(const poll_budget& most) {
  worker& w = *worker_;
  const std::uint64_t last_turn = w.ticks_.load(base::relaxed) + std::max(1U, most.turns);
  const base::instant until = base::after(base::now(), most.time);
  tasklet* who = nullptr;
  if (is_resting_) {
    who = pool_.get_up(w);
    if (who == nullptr && !pool_.must_end(w)) {
      w.has_tidied_ = pool_.threads_wanted_ == 0 && pool_.tidy();
      who = rest();
    }
    if (who == nullptr) {
      return stop_at::nothing_left;
    }
    get_going(who);
  }
  while (!pool_.must_end(w)) {
    if (who == nullptr) {
      who = pool_.look_around(w);
    }
    const std::uint64_t left = last_turn - w.ticks_.load(base::relaxed);
    w.until_look_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(w.interval_, left));
    const bool is_empty = !pool_.run_turns(w, std::exchange(who, nullptr));
    const bool is_over = w.ticks_.load(base::relaxed) >= last_turn || base::now() >= until;
    requeue_handoff();
    if (is_empty || (is_over && !w.has_private_work() && w.shared_.empty())) {
      pool_.begin_finding(w);
      is_resting_ = true;
      who = rest();
      if (who == nullptr) {
        return stop_at::nothing_left;
      }
      get_going(who);
    }
    if (is_over) {
      put_back(who);
      return stop_at::budget;
    }
  }
  return stop_at::nothing_left;
}

// Looks everywhere, and says that it sleeps when there is nothing.
//
// Returns   whom to run; null when it may leave the thread to the loop.
tasklet* stealing::seat::rest() {
  worker& w = *worker_;
  for (;;) {
    if (tasklet* who = pool_.search_once(w); who != nullptr) {
      return who;
    }
    if (const base::instant deadline = pool_.lie_down(w); deadline != 0) {
      // One step of giving memory back a poll: the loop has other things to do.
      arm(w.has_tidied_ ? std::min(deadline, base::now() + longest_nap) : deadline);
      return nullptr;
    }
    if (tasklet* who = pool_.get_up(w); who != nullptr || pool_.must_end(w)) {
      return who;
    }
    w.has_tidied_ = pool_.threads_wanted_ == 0 && pool_.tidy();
  }
}

void stealing::seat::put_back(tasklet* who) noexcept {
  if (who != nullptr) {
    who->root()->is_pinned_ ? worker_->put_pinned(who) : worker_->put_next(who);
  }
}

void stealing::seat::requeue_handoff() noexcept {
  if (tasklet* who = std::exchange(worker_->handoff_, nullptr); who != nullptr) {
    pool_.ready(who, who->root(), worker_, turn::next);
  }
}

void stealing::seat::get_going(tasklet* who) noexcept {
  is_resting_ = false;
  pool_.end_finding(*worker_, who);
}

}  // namespace martlet::detail

namespace martlet {

guest::guest(scheduler& pool) : seat_(pool.queue()->seat_guest()) {}
guest::~guest() = default;

}  // namespace martlet
