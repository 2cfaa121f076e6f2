#pragma once

#include "python_tasklet.hpp"
#include "wait.hpp"

#include <vector>

namespace martlet::python {

/// The tasklets of one scope, or of a run: counted, so that somebody can wait for the last one, and linked, so that all
/// can be asked to stop.
///
/// It lies in a slot of the frame pool, for its lock must stay readable (tasklet.hpp, I3).
class family {
 public:
  /// Throws std::bad_alloc.
  static family* make() { return make_frame<family>(); }
  static void free(family* self) noexcept { free_frame(self); }

  family() noexcept = default;
  family(const family&) = delete;
  family& operator=(const family&) = delete;

  /// Takes a child in, before it is entered; one that comes after `stop_all` is asked to stop at once.
  void adopt(tasklet_frame& child) noexcept;

  /// Lets a child go and wakes who waits for the last one.
  void leave(tasklet_frame& child, detail::host* here) noexcept;

  /// Adds the handles of all children to `found`, but for one; may be null.
  ///
  /// Threads   any that is attached. Call it, and drop what was found, when no lock is held.
  void collect(std::vector<object>& found, const tasklet_frame* except);

  /// Returns   whether a child that ran at a worker last, or was spawned there, is ready to run and does not.
  bool has_queued(const detail::host& there) noexcept;

  /// Begins to stop all children: those that come later are asked at once, the present ones are added to `found`.
  ///
  /// Takes     who is left alone; may be null.
  /// Threads   any that is attached. Call `ask_all` when no lock is held any more: it drops references.
  void begin_stop(std::vector<object>& found, const tasklet_frame* except);

  /// Asks all children to stop, and all that will come.
  void stop_all(const tasklet_frame* except) {
    std::vector<object> found;
    begin_stop(found, except);
    ask_all(found);
  }

  static void ask_all(const std::vector<object>& handles);

  /// Keeps a child's error for who waits; `first` becomes whether it is the first one.
  void keep_error(PyObject* error, bool& first);

  std::vector<object> take_errors();
  bool is_empty() noexcept;

 private:
  friend class family_wait;

  // What waits are entered into. Its second word stands where a frame keeps its state and reads "free".
  struct core : detail::wait_core {
    core() noexcept : wait_core(keep_lock{}, detail::kind::scope) {}
    void* reads_as_free = nullptr;
    detail::wait_list waiters;
  };

  [[maybe_unused]] void* unused_[2] = {};
  alignas(16) core core_;
  std::size_t open_ = 0;  // under the lock, as all below
  bool stopping_ = false;
  tasklet_frame* children_ = nullptr;
  std::vector<object> errors_;
};

/// Waits for a family's last child, whatever happens: being cancelled does not end it.
class family_wait : public wait {
 public:
  explicit family_wait(family& of) noexcept : family_(of) {}

  bool try_at_once(detail::tasklet* who) override { return is_over(who); }
  bool prepare(detail::tasklet* who) override;
  bool publish() noexcept override;
  bool is_over(detail::tasklet* who) override;
  PyObject* case_result() override { return finish(); }

 protected:
  family& family_;
  detail::wait_node node_;
};

}  // namespace martlet::python
