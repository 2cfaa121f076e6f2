#pragma once

#include "tasklet.hpp"

#include <deque>
#include <vector>

namespace martlet::python::stackless {

/// The threads over which `stackless.spread` spreads the fresh tasklets of one of them: its owner and the workers.
///
/// A fresh tasklet that a member makes runnable is offered: it lies in no chain until a member takes it, which has nothing else to run,
/// and then stays with that one. So no thread takes anything out of the chain of another one, which may be about to go on with it. What is
/// offered belongs to the owner.
///
/// All of it is under the lock.
///   C1  While something is offered no member is blocked, or one has been woken and is about to look.
///   C2  Nobody is blocked in a `run` that waits for nothing any more: whoever blocks last wakes it.
struct crew {
  explicit crew(thread& whose) noexcept : owner(whose) {}

  thread& owner;
  std::vector<thread*> workers;
  tasklet* first = nullptr;  // of those that are offered, the oldest; each with a reference
  tasklet* last = nullptr;
  int offered = 0;
  std::deque<object> errors;  // bombs: what has left tasklets on workers, for the owner's outermost `run`
  bool is_over = false;       // nothing is offered any more, and the workers end; the owner may be gone
};

/// Returns   how many tasklets are offered to a thread. Under the lock.
inline int offered_to(const thread& one) noexcept { return one.mates != nullptr ? one.mates->offered : 0; }

/// Returns   whether a thread that waits for others need not do so any more. Under the lock.
inline bool has_some(const thread& one) noexcept { return one.current != nullptr || offered_to(one) != 0; }

/// Offers a tasklet that is nowhere, with a reference to it, if it may run on any thread. Under the lock.
///
/// Returns   false when it belongs into the chain of its thread.
bool offer(tasklet& one) noexcept;

/// Takes an offered tasklet back, so that it is nowhere; the caller takes over the reference. Under the lock.
void take_back(tasklet& one) noexcept;

/// Takes a certain tasklet into the chain of this thread, if it is offered to it.
void claim(tasklet& one, thread& here) noexcept;

/// Takes the oldest of the offered tasklets into the chain of this thread, unless that has more than `most` already. This thread has
/// mates.
///
/// Returns   whether it has.
bool take_offered(thread& here, int most) noexcept;

/// Takes one that is offered every now and then, though this thread has others: those may wait for it. Before each switch.
void take_in_turn(thread& here) noexcept;

/// Notes that this thread sleeps until it is woken, unless there is something to run by now. Under the lock.
void note_blocked(thread& here) noexcept;

/// Finds out whether the innermost `run` of this thread has to wait for its mates, and notes that it is blocked if so. The signature is
/// that of `others_can_run`.
bool mates_can_run(thread& here, bool& answer);

/// Finds out whether a `run` that has come back because nothing was runnable goes on: here there is more, or on other threads. Under the
/// lock.
bool has_more(const thread& here) noexcept;

/// Wakes the members whose `run` waits for nothing any more. Under the lock.
void wake_done(const crew& all) noexcept;

/// Returns   the oldest error of a worker that is for whoever calls, as a bomb; null for none. It is for the outermost `run`, and for a
///           main tasklet that waits outside of it.
object claim_error(thread& here) noexcept;

/// Ends the crew of its owner: what is offered becomes the owner's, and the workers end when they have nothing to run any more.
void disband(thread& owner);

/// Has a thread that ends leave its crew. Under the lock.
void leave_crew(thread& one) noexcept;

}  // namespace martlet::python::stackless
