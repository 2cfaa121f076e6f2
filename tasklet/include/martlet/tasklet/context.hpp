#pragma once

#include <cstddef>
#include <cstdint>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/stack_span.hpp>

#if defined(__x86_64__) && defined(__LP64__) && defined(__ELF__)
#define MARTLET_HAS_NATIVE_SWITCH 1
#else
#define MARTLET_HAS_NATIVE_SWITCH 0
#endif

/// Switching between an OS thread's own stack and a flow of control on a stack of its own.
///
/// A thread resumes a flow; the flow suspends to the thread that resumed it last, or hands the thread on to another
/// flow. Each time it may be another thread. Two backends with one interface, `native_context` (x86-64) and `boost_context` (wherever
/// Boost.Context is); `context` is the one that the build chose. Both are compiled wherever they can be.
///
///     void body(void* self) {
///       auto& flow = *static_cast<context*>(self);
///       flow.suspend();                     // back to the thread
///       flow.finish();                      // for the last time
///     }
///     carrier here;                         // once per thread
///     context flow;
///     flow.prepare(stack, body, &flow);
///     flow.resume(here);                    // runs body up to suspend
///     flow.resume(here);                    // runs the rest
///
/// What goes with the flow from thread to thread: its callee-saved registers; its C++ exceptions, caught and in flight;
/// the control bits of MXCSR and the x87 control word (rounding, masks, denormals), which a new flow takes over from
/// the thread that called `prepare`, as a new thread does from its creator. The sticky exception flags belong to
/// nobody: what `fetestexcept` says across a suspension is unspecified. With `boost_context` on other processors the
/// floating point state is what Boost.Context saves there. Thread-locals and `errno` stay with the thread.
///
/// An unwinder that starts in a flow ends at its first function; an exception that leaves that function terminates.
namespace martlet::detail {

class flow_state;

// What abi::__cxa_get_globals points to: the stack of caught exceptions, how many are in flight.
struct exception_globals {
  void* caught = nullptr;
  unsigned uncaught = 0;
#ifdef __ARM_EABI_UNWINDER__
  void* propagating = nullptr;
#endif

  /// Returns   0 when there is none.
  std::uintptr_t content() const noexcept { return reinterpret_cast<std::uintptr_t>(caught) | uncaught; }
};

/// What an OS thread lends to the flows that it resumes: the addresses that only the thread itself can find.
///
/// Make it on the thread that it stands for. `__cxa_get_globals` is declared const, and a compiler may keep its answer
/// over a switch to another thread; so it is asked here, in a function that never switches, and nowhere else.
///
/// The thread's floating point control bits are read here too: code that changes them on the thread outside of a flow has
/// to set them back before the next `resume`, or to say so, or they leak into the flow (a build without NDEBUG stops then).
class carrier {
 public:
  carrier() noexcept;

  /// Takes the thread's floating point control bits as they are now. Cost 4 ns.
  void note_control_bits() noexcept;

  carrier(const carrier&) = delete;
  carrier& operator=(const carrier&) = delete;

 private:
  friend class flow_state;
  friend class native_context;
  friend class boost_context;

  exception_globals* exceptions_;
  void* stack_pointer_ = nullptr;  // of the thread's own stack, while a flow runs
  flow_state* left_ = nullptr;     // the flow that has left and whose `then` is still to be called
#if MARTLET_HAS_NATIVE_SWITCH
  std::uint32_t control_bits_;
#endif
#if MARTLET_TSAN
  void* tsan_fiber_ = base::tsan_current_fiber();
#endif
#if MARTLET_ASAN
  stack_span stack_{};  // the thread's own, known once a flow has been entered from it
#endif
};

/// What both backends keep of a flow beside its stack pointer.
///
/// While the flow runs `exceptions_` holds what belongs to its carrier, so arriving and leaving are the same exchange.
class flow_state {
 public:
  using function = void (*)(void*);

  flow_state(const flow_state&) = delete;
  flow_state& operator=(const flow_state&) = delete;

 protected:
  flow_state() noexcept = default;
  ~flow_state() = default;

  void reset(stack_span stack) noexcept;

  void exchange_exceptions() noexcept {
    if ((carrier_->exceptions_->content() | exceptions_.content()) != 0) [[unlikely]] {
      swap_exceptions();
    }
  }

  // What the sanitizers hear, before and after the switch: on the carrier's stack, then on the flow's.
  void will_enter(void*& fake_stack) noexcept;
  void has_returned(void* fake_stack) noexcept;
  void will_leave(bool for_good) noexcept;
  void will_hand_over(flow_state& next) noexcept;
  void has_entered() noexcept;

  carrier* carrier_ = nullptr;  // who resumed it last
  exception_globals exceptions_;
#if MARTLET_ASAN
  stack_span stack_;
  void* fake_stack_ = nullptr;
#endif
#if MARTLET_TSAN
  void* tsan_fiber_ = nullptr;
  bool is_finished_ = false;
#endif

 private:
  void swap_exceptions() noexcept;
};

#if MARTLET_HAS_NATIVE_SWITCH
/// The switch in our own assembly: x86-64, System V.
///
/// A suspended flow's stack pointer shows, upwards: r15, r14, r13, r12, rbx, rbp, and the address where it goes on; a
/// debugger needs no more to unwind it. `resume` and `suspend` end with a jump into the other stack instead of a
/// return, which no processor predicts there. So the caller's speed depends on doing nothing but return after them:
/// give what is left to do to `suspend`'s `then`.
///
/// Indirect branch tracking is respected. A hardware shadow stack (SHSTK, which glibc enables on demand) is not
/// supported: `prepare` stops the program with a sentence instead of letting the first switch fault.
class native_context : public flow_state {
 public:
  native_context() noexcept = default;

  /// Makes the next `resume` call `entry(argument)` on `stack`. `entry` must not return: its last act is `finish`.
  void prepare(stack_span stack, function entry, void* argument) noexcept;

  /// `prepare` in two parts, which two threads may do: what the flow takes over from its creator, and what it needs a stack
  /// for.
  static constexpr bool inherits_apart = true;
  void inherit() noexcept;
  void place(stack_span stack, function entry, void* argument) noexcept;

  /// Returns   whether the flow has a stack: `place` was called.
  bool is_placed() const noexcept { return stack_pointer_ != nullptr; }

  /// Runs the flow until it suspends or finishes. For threads, not for flows.
  ///
  /// Threads   any, one at a time.
  /// Cost      about 5 ns, and as much for the way back.
  void resume(carrier& here) noexcept;

  /// Goes back to the thread that resumed this flow. For the flow itself.
  ///
  /// Suspends  always; goes on on the thread that resumes it next.
  void suspend() noexcept;

  /// The same, and has the thread call `then(argument)` once the flow has left its stack.
  ///
  /// This is where a flow is handed to whoever may resume it: from inside `then`, another thread can. `then` must not
  /// throw; it may destroy the context and the stack when nobody will resume them.
  void suspend(function then, void* argument) noexcept;

  /// Begins a `hand_over`, before it is known to whom: reads the control bits, for which the processor needs 4 ns and
  /// more that it can spend on other instructions. Without a `hand_over` it has no effect.
  void begin_hand_over() noexcept { save_control_bits(); }

  /// After `begin_hand_over`: hands the thread on to `next`, a suspended flow, which calls `then(argument)` once this one
  /// has left its stack.
  ///
  /// As `suspend` there and `resume` here, for half of the price. `then` runs on the stack of `next`, before whatever
  /// `next` does, and must not throw, switch or destroy this flow.
  void hand_over(native_context& next, function then, void* argument) noexcept;

  /// Leaves the flow for good; `then` (null for none) as for `suspend`: the place to give the stack back.
  [[noreturn]] void finish(function then = nullptr, void* argument = nullptr) noexcept;

 private:
  static void start(native_context* flow, function entry, void* argument) noexcept;
  static void departed(void* self);
  void arrive(carrier& here) noexcept;
  void depart(function then, void* argument) noexcept;
  void save_control_bits() noexcept { asm volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(x87_control_), "=m"(mxcsr_)); }
  bool is_like(const native_context& next) const noexcept;
  void replace_by(native_context& next) noexcept;
  [[gnu::noinline, gnu::cold]] void hand_over_unlike(native_context& next, function then, void* argument) noexcept;
  void release_left() noexcept;
  std::uint32_t control_bits() const noexcept;

  void* stack_pointer_ = nullptr;  // while it is suspended
  function then_ = nullptr;
  void* then_argument_ = nullptr;
  std::uint32_t mxcsr_ = 0;  // as the flow left it, sticky flags included
  std::uint16_t x87_control_ = 0;
};
#endif

/// The switch of Boost.Context. The interface and its promises are `native_context`'s; see there.
///
/// It reloads the sticky floating point flags with the control bits, which makes a switch between a flow and a thread
/// whose flags differ up to ten times as dear on some processors.
class boost_context : public flow_state {
 public:
  boost_context() noexcept = default;

  static constexpr bool inherits_apart = false;  // Boost.Context writes to the stack what the flow takes over
  void prepare(stack_span stack, function entry, void* argument) noexcept { place(stack, entry, argument); }
  void inherit() noexcept {}
  void place(stack_span stack, function entry, void* argument) noexcept;
  bool is_placed() const noexcept { return suspended_ != nullptr; }
  void resume(carrier& here) noexcept;
  void suspend() noexcept { suspend(nullptr, nullptr); }
  void suspend(function then, void* argument) noexcept;
  void begin_hand_over() noexcept {}
  void hand_over(boost_context& next, function then, void* argument) noexcept;
  [[noreturn]] void finish(function then = nullptr, void* argument = nullptr) noexcept;

 private:
  struct jump;

  void depart(function then, void* argument) noexcept;
  void release_left() noexcept;

  void* suspended_ = nullptr;  // the flow's fcontext_t while it is suspended
  function then_ = nullptr;    // before the first switch: the entry
  void* then_argument_ = nullptr;
};

#ifndef MARTLET_SWITCH_NATIVE
#define MARTLET_SWITCH_NATIVE MARTLET_HAS_NATIVE_SWITCH
#endif
#if MARTLET_SWITCH_NATIVE
using context = native_context;
#else
using context = boost_context;
#endif

}  // namespace martlet::detail
