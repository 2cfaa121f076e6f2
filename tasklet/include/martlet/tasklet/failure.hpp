#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <martlet/tasklet/site.hpp>

namespace martlet::detail {

struct host;
struct tasklet;

/// Returns   what an exception says of itself.
std::string text_of(const std::exception_ptr& error);

/// Returns   whether it says only that a tasklet was asked to stop: this one, or another one that it joined.
bool is_cancellation(const std::exception_ptr& error);

/// Returns   whether `who` ended with `error` because it had been asked to stop: that is no failure.
bool has_stopped(const tasklet& who, const std::exception_ptr& error);

/// What a tasklet threw, and where it came from.
struct failed_child {
  std::exception_ptr error;
  site spawned_at;
};

/// Where a scheduler wants to hear of failures that nobody can join any more, and which hosts are its own.
///
/// A handle may be dropped on any thread, when its scheduler is gone already; so those that live are listed.
class failure_listener {
 public:
  using hears = std::function<void(const std::exception_ptr& error, site spawned_at)>;

  /// Takes     who is told; null: one line on stderr.
  explicit failure_listener(hears how) : how_(std::make_shared<const hears>(std::move(how))) {}
  failure_listener(const failure_listener&) = delete;
  failure_listener& operator=(const failure_listener&) = delete;

  virtual bool owns(const host* there) const noexcept = 0;

  /// Tells this one.
  void hear(const std::exception_ptr& error, site spawned_at) const noexcept { report(*how_, error, spawned_at); }

  /// Tells the listener that owns `there`, or stderr when none does any more.
  static void tell(const host* there, const std::exception_ptr& error, site spawned_at) noexcept;

  /// Returns   whether a scheduler lives in this process.
  static bool somebody_listens() noexcept;

 protected:
  ~failure_listener() = default;
  void begin_listening() noexcept;
  void end_listening() noexcept;

 private:
  static void report(const hears& how, const std::exception_ptr& error, site spawned_at) noexcept;

  std::shared_ptr<const hears> how_;
  failure_listener* next_ = nullptr;  // of those that live; under their lock
};

}  // namespace martlet::detail
