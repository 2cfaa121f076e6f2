#include "side_pool.hpp"

#include <mutex>
#include <system_error>

#include <martlet/base/check.hpp>
#include <martlet/base/fork.hpp>
#include <martlet/base/signals.hpp>

#include "run_queue.hpp"

namespace martlet::detail {
namespace {

side_pool* pool_of_caller() noexcept {
  const host* here = current_host();
  return here == nullptr ? nullptr : &static_cast<run_queue*>(here->executor_)->side();
}

}  // namespace

// ---- the operation's half

wait_core& blocking_call::core() noexcept {
  if (pool == nullptr) {
    pool = pool_of_caller();
    if (pool == nullptr) {
      return own;
    }
  }
  return pool->core();
}

void blocking_call::link() noexcept { pool->enter(*this); }
void blocking_call::unlink() noexcept { pool->withdraw(*this); }

bool blocking_call::publish() noexcept {
  side_pool& from = *pool;
  from.core().lock_.unlock();  // from here on `this` may be gone
  from.summon();
  return true;
}

void blocking_call::summons::operator()() const noexcept {
  if (from != nullptr) {
    from->summon();
  }
}

// ---- the pool

side_pool::side_pool(unsigned most_threads, std::chrono::nanoseconds patience)
    : most_threads_(most_threads), patience_(patience) {}

side_pool::~side_pool() { stop(); }

void side_pool::enter(blocking_call& call) noexcept {
  core_->calls.push_back(call);
  ++queued_;
}

void side_pool::withdraw(blocking_call& call) noexcept {
  wait_list::unlink(call);
  --queued_;
}

void side_pool::summon() noexcept {
  if (most_threads_ == 0) [[unlikely]] {
    make_all_in_place();
    return;
  }
  core_->lock_.lock();
  const reinforcement what = plan();
  core_->lock_.unlock();
  carry_out(what);
}

// Under the lock.
side_pool::reinforcement side_pool::plan() noexcept {
  if (queued_ <= called_ + returning_) {
    return reinforcement::none;
  }
  if (idle_ != 0) {
    --idle_;
    ++called_;
    return reinforcement::call;
  }
  if (!is_starting_ && threads_ < most_threads_) {
    is_starting_ = true;
    ++threads_;
    return reinforcement::start;
  }
  return reinforcement::none;
}

void side_pool::carry_out(reinforcement what) noexcept {
  if (what == reinforcement::call) {
    told_.fetch_add(1, base::relaxed);
    base::futex_wake(told_);
  } else if (what == reinforcement::start) {
    const base::signals_blocked quiet;
    pthread_t id;  // whoever joins it is told by the thread itself
    if (const int error = ::pthread_create(&id, nullptr, &thread_main, this); error != 0) {
      give_up_start(error);
    }
  }
}

// Those that are there will come to what is queued. Where there are none, nobody ever would.
void side_pool::give_up_start(int error) noexcept {
  wait_node* failed = nullptr;
  core_->lock_.lock();
  is_starting_ = false;
  --threads_;
  if (threads_ == 0) {
    while (blocking_call* call = take()) {
      call->prev = failed;
      failed = call;
    }
  }
  core_->lock_.unlock();
  while (failed != nullptr) {
    auto* call = static_cast<blocking_call*>(failed);
    failed = call->prev;
    try {
      throw std::system_error(error, std::generic_category(), "blocking: no thread could be started for the call");
    } catch (...) {
      call->error = std::current_exception();  // that there is no memory for the sentence, perhaps
    }
    ready(complete(*call), current_host(), turn::last);  // the operation may be gone after this
  }
}

// Under the lock. Returns   the oldest call that nobody has cancelled; it is the caller's to make.
blocking_call* side_pool::take() noexcept {
  while (wait_node* node = core_->calls.front()) {
    wait_list::unlink(*node);
    --queued_;
    if (claim(node->owner, *core_)) [[likely]] {
      return static_cast<blocking_call*>(node);
    }
  }
  return nullptr;
}

void* side_pool::thread_main(void* pool) noexcept {
  static_cast<side_pool*>(pool)->serve();
  return nullptr;
}

void side_pool::serve() noexcept {
  core_->lock_.lock();
  is_starting_ = false;
  do {
    while (blocking_call* call = take()) {
      ++running_;
      const reinforcement what = plan();
      core_->lock_.unlock();
      carry_out(what);
      make(*call);
      core_->lock_.lock();
      --returning_;
    }
  } while (!is_stopping_ && rest());
  leave();
}

// A claimed tasklet is ours until it is made ready, so its word may say what it waits for.
std::uintptr_t side_pool::word_of_call() const noexcept {
  return tasklet::bits(tag::runnable) | reinterpret_cast<std::uintptr_t>(&*core_);
}

// The tasklet's next call may be in the queue before we are back there: that needs no other thread.
void side_pool::make(blocking_call& call) noexcept {
  tasklet& root = *call.owner->root();
  root.word_.store(word_of_call(), base::relaxed);
  const std::uint32_t generation = base::process_generation();
  call.run(call);
  if (base::process_generation() != generation) [[unlikely]] {
    base::fatal(
        "a function that was given to blocking called fork, and then returned in the child, where the tasklet that waits "
        "for it is not: call exec or _exit there, or fork on a thread of the program's own");
  }
  core_->lock_.lock();
  --running_;
  ++returning_;
  core_->lock_.unlock();
  root.word_.store(tasklet::bits(tag::runnable), base::relaxed);  // its worker sees it through the injector
  ready(complete(call), nullptr);
}

// The function is no part of the tasklet that waits for it. It may wait as a thread does, which runs other tasklets meanwhile.
void side_pool::make_all_in_place() noexcept {
  host* here = current_host();
  base::set_current(nullptr);
  for (;;) {
    core_->lock_.lock();
    blocking_call* call = take();
    core_->lock_.unlock();
    if (call == nullptr) {
      break;
    }
    tasklet& root = *call->owner->root();
    root.word_.store(word_of_call(), base::relaxed);
    call->run(*call);
    root.word_.store(tasklet::bits(tag::runnable), base::relaxed);
    ready(complete(*call), here, turn::last);
  }
  base::set_current(here);
}

// Under the lock, which it lets go of meanwhile. Returns   false when it is time to leave.
bool side_pool::rest() noexcept {
  const base::instant deadline = base::after(base::now(), patience_);
  ++idle_;
  for (bool in_time = true;;) {
    if (called_ != 0) {
      --called_;
      return true;
    }
    if (is_stopping_ || !in_time) {
      --idle_;
      return false;
    }
    const std::uint32_t seen = told_.load(base::relaxed);  // who calls raises it after the lock that we hold
    core_->lock_.unlock();
    in_time = base::futex_wait(told_, seen, deadline);
    core_->lock_.lock();
  }
}

// Under the lock, for good.
void side_pool::leave() noexcept {
  const bool is_first = !has_left_;
  const pthread_t before = left_;
  left_ = ::pthread_self();
  has_left_ = true;
  --threads_;
  core_->lock_.unlock();
  if (!is_first) {
    ::pthread_join(before, nullptr);
  }
  gone_.fetch_add(1, base::relaxed);
  base::futex_wake(gone_);  // the pool is still there: whoever stops it joins us
}

void side_pool::stop() noexcept {
  core_->lock_.lock();
  is_stopping_ = true;
  told_.fetch_add(1, base::relaxed);
  core_->lock_.unlock();
  base::futex_wake(told_, INT32_MAX);
  for (;;) {
    core_->lock_.lock();
    const bool all_left = threads_ == 0;
    const std::uint32_t seen = gone_.load(base::relaxed);  // raised by those who leave, after the lock that we hold
    core_->lock_.unlock();
    if (all_left) {
      break;
    }
    base::futex_wait(gone_, seen);
  }
  if (has_left_) {
    ::pthread_join(left_, nullptr);  // and it has joined the one before it
    has_left_ = false;
  }
}

void side_pool::add_to(scheduler_statistics& sum) const noexcept {
  const std::lock_guard guard(core_->lock_);
  sum.blocking_threads += threads_;
  sum.blocking_running += running_;
  sum.blocking_queued += queued_;
}

}  // namespace martlet::detail
