#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <martlet/tasklet/site.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet {

/// Tells tasklets apart, as `std::thread::id` does threads: those that live at the same time have different ones; after the
/// end of one its number may be given out again.
class tasklet_id {
 public:
  /// Makes one that is nobody's.
  constexpr tasklet_id() noexcept = default;
  explicit tasklet_id(const detail::tasklet* who) noexcept : number_(reinterpret_cast<std::uintptr_t>(who)) {}

  /// Returns   0 for nobody's.
  std::uint64_t number() const noexcept { return number_; }

  friend bool operator==(tasklet_id, tasklet_id) noexcept = default;
  friend auto operator<=>(tasklet_id, tasklet_id) noexcept = default;

 private:
  std::uint64_t number_ = 0;
};

namespace detail {

/// Returns   a copy of the name that a tasklet has, "" for none.
/// Takes     a root whose frame the caller keeps alive.
std::string name_of(tasklet& who);

}  // namespace detail

/// What a tasklet may ask, and tell, about itself. On a plain thread they answer as the remarks say.
///
/// Never suspend. Threads: any.
namespace this_tasklet {

/// Returns   nobody's on a plain thread.
tasklet_id id() noexcept;

/// Returns   the tasklet inside of whose scope this one was spawned; nobody's for one spawned outside of any scope, or in
///           a scope of a plain thread. It lives at least as long as this one.
tasklet_id parent() noexcept;

/// Returns   where it was spawned; an unknown place on a plain thread.
site spawned_at() noexcept;

/// Returns   whether its next wait would throw `cancelled`: for computations that wait seldom. false on a plain thread.
/// Cost      about 1 ns.
bool is_cancelled() noexcept;

/// Gives it a name, for reports. Bytes after the 31st are left out.
///
/// Throws    std::bad_alloc. misuse on a plain thread, which has a name of its own (pthread_setname_np).
void set_name(std::string_view name);

/// Returns   its name, "" for none.
std::string name();

}  // namespace this_tasklet

/// Keeps the tasklet that makes it on the worker that runs it now, for as long as it lives.
///
/// For what belongs to a thread: a `thread_local` that a library keeps across calls, a graphics context. Not for speed: a
/// pinned tasklet waits while its worker is busy, though another one is idle, and nobody helps it out of a queue behind a
/// long tasklet. Pins nest, and end in the reverse order. On a thread that was lent by
/// `run_here` a pinned tasklet stands still from when that thread has left until it, or another, comes to that worker again.
///
/// ```cpp
/// {
///   martlet::pin here;
///   auto* context = library_context();       // a thread_local
///   co_await reply.receive();
///   library_use(context);                    // the same thread
/// }
/// ```
///
/// On a plain thread it does nothing.
///
/// Threads   made and destroyed by one tasklet. Never suspends.
class [[nodiscard("it pins for as long as it lives: give it a name")]] pin {
 public:
  pin() noexcept;
  pin(const pin&) = delete;
  pin& operator=(const pin&) = delete;
  ~pin();

 private:
  detail::tasklet* self_ = nullptr;  // null: it was pinned before, or is none
};

}  // namespace martlet

template <>
struct std::hash<martlet::tasklet_id> {
  std::size_t operator()(martlet::tasklet_id id) const noexcept { return std::hash<std::uint64_t>()(id.number()); }
};
