#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/outcome.hpp>
#include <martlet/tasklet/stack_pool.hpp>

namespace martlet {

/// How a stackful tasklet is spawned.
struct fiber_options {
  /// Bytes of address space for its stack, 4 KiB to 8 MiB, rounded up to a power of two from 64 KiB on; 0 for the
  /// default. Only touched pages cost memory; those that wait for their first turn touch none.
  std::size_t stack_size = std::size_t{64} * 1024;
  /// Without a guard page an overflow corrupts a neighbour; it is for more fibers than the kernel has mappings for.
  bool unguarded = false;
};

namespace detail {

/// Returns   the process's stacks.
stack_pool& stacks() noexcept;

/// Keeps them whole over a fork from now on. Cost: one load when they are already.
void keep_stacks_over_forks() noexcept;

/// What a stackful tasklet has besides its record: a suspended flow of control and its stack.
struct fiber_core {
  tasklet& who;
  stack memory;
  context flow;
  void* operation = nullptr;  // what it waits for, published by its worker once the stack has been left
  bool (*publish)(void*) = nullptr;

  static constexpr std::size_t farthest = sizeof(void*) * UINT16_MAX;

  /// Returns   the words between a record and its core, for the record to keep: a result of any size stands between.
  std::uint16_t distance_from(const tasklet& record) const noexcept {
    const auto bytes = reinterpret_cast<const std::byte*>(this) - reinterpret_cast<const std::byte*>(&record);
    return static_cast<std::uint16_t>(static_cast<std::size_t>(bytes) / sizeof(void*));
  }

  /// Returns   the core of a fiber, found from its record.
  static fiber_core& of(tasklet& fiber) noexcept {
    return *reinterpret_cast<fiber_core*>(reinterpret_cast<void**>(&fiber) + fiber.core_at_);
  }
};

/// Leaves the running fiber's stack; its worker calls `publish(operation)` then. Returns when it was made ready.
void leave_fiber(host& here, void* operation, bool (*publish)(void*)) noexcept;

/// Puts the running fiber behind the others; goes straight to the next one's stack where that is a fiber too.
void yield_fiber(host& here) noexcept;

/// Gives the stack back and ends the tasklet; called by its worker when the fiber has left for good.
void end_fiber(fiber_core& core, const std::exception_ptr* error) noexcept;

/// A stackful tasklet: a frame made by hand with the shape of a coroutine's.
template <class F, class R>
class fiber_frame {
  static_assert(alignof(F) <= 16,
                "a function whose captures are aligned to more than 16 bytes: keep them behind a pointer");

 public:
  fiber_frame(F&& function, const fiber_options& options) : fiber_frame(std::move(function), options, false) {}
  fiber_frame(const fiber_frame&) = delete;
  fiber_frame& operator=(const fiber_frame&) = delete;
  ~fiber_frame() {}

  outcome<R>& result() noexcept { return result_; }

  /// Lets go of the function and the stack of a fiber that will never start.
  void abandon() noexcept {
    std::destroy_at(&function_);
    stacks().give_back(core_.memory);
  }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

 private:
  // `is_settled` is said by whoever takes the stack, straight to where it stays: a copy, read more widely than it was written
  // a moment before, makes the processor wait (20 ns of 70 for a spawn and its join, Zen 3).
  fiber_frame(F&& function, const fiber_options& options, bool is_settled)
      : result_(kind::fiber), core_{.who = result_, .memory = take_stack(options, is_settled), .flow = {}} {
    try {
      std::construct_at(&function_, std::move(function));
    } catch (...) {
      stacks().give_back(core_.memory);
      throw;
    }
    if (is_settled) [[likely]] {
      core_.flow.prepare(core_.memory, &fiber_frame::enter, this);
    } else {
      core_.flow.inherit();
      resume_ = &fiber_frame::begin;
    }
    static_assert(sizeof(outcome<R>) <= fiber_core::farthest, "a result of half a MiB: return a pointer to it");
    result_.core_at_ = core_.distance_from(result_);
  }

  // Without a guard stacks are for who has more of them than guards; those are not shared out.
  static stack take_stack(const fiber_options& options, bool& is_settled) {
    if (context::inherits_apart && !options.unguarded) {
      return stacks().take_ahead(options.stack_size, is_settled);
    }
    is_settled = true;
    return stacks().take(options.stack_size, options.unguarded ? guard_policy::unguarded : guard_policy::guarded);
  }

  // The first turn of a fiber whose stack had no pages when it was spawned.
  static void begin(void* frame) {
    auto* self = static_cast<fiber_frame*>(frame);
    self->resume_ = &fiber_frame::resume;
    stacks().settle(self->core_.memory);
    self->core_.flow.place(self->core_.memory, &fiber_frame::enter, self);
    resume(frame);
  }

  static void resume(void* frame) {
    auto* self = static_cast<fiber_frame*>(frame);
    host* here = self->result_.at();
    here->fiber_ = &self->core_;
    self->core_.flow.resume(*here->carrier_);
  }

  static void destroy(void* frame) { delete static_cast<fiber_frame*>(frame); }

  static void enter(void* frame) {
    auto* self = static_cast<fiber_frame*>(frame);
    self->run();
    self->core_.flow.finish(
        [](void* ended) {
          outcome<R>& result = static_cast<fiber_frame*>(ended)->result_;
          end_fiber(static_cast<fiber_frame*>(ended)->core_, result.has_error() ? &result.error() : nullptr);
        },
        self);
  }

  void run() noexcept {
    try {
      if constexpr (std::is_void_v<R>) {
        std::invoke(function_);
        result_.set_value();
      } else {
        result_.set_value(std::invoke(function_));
      }
    } catch (...) {
      result_.set_error(std::current_exception());
    }
    std::destroy_at(&function_);
  }

  void (*resume_)(void*) = &fiber_frame::resume;
  void (*destroy_)(void*) = &fiber_frame::destroy;
  outcome<R> result_;
  fiber_core core_;
  union {
    F function_;
  };
};

}  // namespace detail

}  // namespace martlet
