#pragma once

#include <cstddef>
#include <mutex>

#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

namespace detail {

/// What a wait group is made of. Under the lock: nobody who still waits is there while the count is 0.
struct wait_group_core : wait_core {
  explicit wait_group_core(std::size_t open) noexcept : wait_core(keep_lock{}, kind::wait_group), count(open) {}

  word_of_slot word;
  std::size_t count;
  wait_list waiters;
};

/// `wait_group::wait`.
class [[nodiscard("await it")]] wait_group_wait final : public case_operation<wait_group_wait> {
 public:
  explicit wait_group_wait(wait_group_core& in) noexcept : in_(&in) {}

  wait_core& core() noexcept { return *in_; }
  bool try_now(tasklet*&) noexcept { return in_->count == 0; }
  void link() noexcept { in_->waiters.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  wait_group_core* in_;
};

}  // namespace detail

/// Counts pieces of work, and lets others wait until all are done.
///
/// For work that is no tasklet of its own, or whose tasklets belong to several scopes. Where all are tasklets that were
/// spawned in one place, a `scope` waits for them, keeps their errors and cannot be miscounted.
///
/// ```cpp
/// martlet::wait_group requests;
/// requests.add();                               // before whoever says `done` can run
/// pool.spawn([&] { serve(); requests.done(); });
/// co_await requests.wait();
/// ```
///
/// It may be used again after the count was 0. Destroy it when nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class wait_group {
 public:
  /// Takes     how many pieces there are at first.
  /// Throws    misuse for more than PTRDIFF_MAX; std::bad_alloc.
  explicit wait_group(std::size_t count = 0);
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  ~wait_group();

  /// Says that `count` more pieces are to be done; fewer, when it is negative. Never suspends.
  ///
  /// Throws    misuse, with nothing changed, when that would be less than none or more than PTRDIFF_MAX.
  void add(std::ptrdiff_t count = 1);

  /// Says that one piece is done; with the last one all who wait go on. Never suspends.
  ///
  /// Throws    misuse when none was open.
  void done() { add(-1); }

  /// Returns   how many pieces are not done.
  std::size_t count() const noexcept {
    const std::lock_guard guard(core_->lock_);
    return core_->count;
  }

  /// Waits until the count is 0.
  ///
  /// Throws    cancelled.
  /// Suspends  until then; resumed by the worker that did the last piece.
  detail::wait_group_wait wait() noexcept { return detail::wait_group_wait(*core_); }

 private:
  detail::core_slot<detail::wait_group_core> core_;
};

}  // namespace martlet
