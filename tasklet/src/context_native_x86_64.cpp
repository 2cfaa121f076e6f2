#include <martlet/tasklet/context.hpp>

#if MARTLET_HAS_NATIVE_SWITCH

#include <utility>

#include <martlet/base/check.hpp>

#include "control_bits_x86_64.hpp"
#include "watched_switch.hpp"

// The switch is a function of its own and not inlined into its callers, although inlined code can be a nanosecond
// faster: here every instruction has exact unwind information, on either stack, since both sides of the exchange have
// pushed the same seven words; and no caller's registers, red zone or base pointer can be got wrong.
//
// It ends in a jump and not in a return: the processor predicts a return to be to its last call, which lies on the
// other stack, and is wrong every time (7.5 ns each on Zen 5); an indirect jump it learns. `notrack`, since the place
// where a call goes on has no endbr64.
asm(R"(
.pushsection .text, "ax", @progbits

.macro MARTLET_SAVE
  .cfi_startproc
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbp, 0
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbx, 0
  pushq %r12
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r12, 0
  pushq %r13
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r13, 0
  pushq %r14
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r14, 0
  pushq %r15
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r15, 0
.endm

.macro MARTLET_RESTORE_AND_GO_ON
  popq %r15
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r15
  popq %r14
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r14
  popq %r13
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r13
  popq %r12
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r12
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
  popq %rax
  .cfi_adjust_cfa_offset -8
  .cfi_register %rip, %rax
  notrack jmp *%rax
  .cfi_endproc
.endm

# (void** left, void* entered): saves this side, leaves its stack pointer in *left, goes on with the other side.
.p2align 4
.globl martlet_switch_stacks
.hidden martlet_switch_stacks
.type martlet_switch_stacks, @function
martlet_switch_stacks:
  MARTLET_SAVE
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  MARTLET_RESTORE_AND_GO_ON
.size martlet_switch_stacks, .-martlet_switch_stacks

# (void** left, void* entered, void (*then)(void*), void* argument): the same, and calls then(argument) on the other
# stack first.
.p2align 4
.globl martlet_switch_stacks_then
.hidden martlet_switch_stacks_then
.type martlet_switch_stacks_then, @function
martlet_switch_stacks_then:
  MARTLET_SAVE
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  movq %rcx, %rdi
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  call *%rdx
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  MARTLET_RESTORE_AND_GO_ON
.size martlet_switch_stacks_then, .-martlet_switch_stacks_then

# Where a new flow goes on: calls rbx(r12, r13, r14). The outermost frame of its stack, and says so.
.p2align 4
.globl martlet_start_flow
.hidden martlet_start_flow
.type martlet_start_flow, @function
martlet_start_flow:
  .cfi_startproc
  .cfi_undefined %rip
  movq %r12, %rdi
  movq %r13, %rsi
  movq %r14, %rdx
  call *%rbx
  ud2
  .cfi_endproc
.size martlet_start_flow, .-martlet_start_flow

.purgem MARTLET_SAVE
.purgem MARTLET_RESTORE_AND_GO_ON
.popsection
)");

extern "C" {
void martlet_switch_stacks(void** left, void* entered) noexcept;
void martlet_switch_stacks_then(void** left, void* entered, void (*then)(void*), void* argument) noexcept;
void martlet_start_flow();
}

namespace martlet::detail {

namespace {

// The words that a suspended side's stack pointer shows.
struct saved_registers {
  std::uintptr_t r15, r14, r13, r12, rbx, rbp, rip;
};

// Returns the shadow stack's pointer, 0 where there is none: rdsspq does nothing on such processors.
inline std::uintptr_t shadow_stack() noexcept {
  std::uintptr_t pointer = 0;
  asm volatile("rdsspq %0" : "+r"(pointer));
  return pointer;
}

}  // namespace

// The thread's bits are known, so only the flow's are read, as it leaves; and they are looked at when it has left: the
// processor needs 3 ns and more for storing MXCSR, during which it can do the rest.
inline std::uint32_t native_context::control_bits() const noexcept {
  return (mxcsr_ & mxcsr_control) | std::uint32_t{x87_control_} << 16;
}

inline void native_context::arrive(carrier& here) noexcept {
#ifndef NDEBUG
  if (read_control_bits() != here.control_bits_) {
    base::fatal(
        "the floating point control bits of this thread are not what they were; code that changes them outside "
        "of a fiber (fesetround, feenableexcept) has to set them back before it waits");
  }
#endif
  carrier_ = &here;
  exchange_exceptions();
  if (control_bits() != here.control_bits_) [[unlikely]] {
    load_control_bits(control_bits());
  }
}

inline void native_context::depart(function then, void* argument) noexcept {
  then_ = then;
  then_argument_ = argument;
  exchange_exceptions();
  save_control_bits();
}

// Whether the thread can be handed on as it is: nobody has exceptions, and both want the same control bits.
inline bool native_context::is_like(const native_context& next) const noexcept {
  const std::uint32_t other_bits = ((mxcsr_ ^ next.mxcsr_) & mxcsr_control) | (x87_control_ ^ next.x87_control_);
  return (carrier_->exceptions_->content() | exceptions_.content() | next.exceptions_.content() | other_bits) == 0;
}

// Gives the thread what belongs to `next` instead of what belongs to this flow.
inline void native_context::replace_by(native_context& next) noexcept {
  exchange_exceptions();
  next.exchange_exceptions();
  if (control_bits() != next.control_bits()) {
    load_control_bits(next.control_bits());
  }
}

// On the carrier's stack, after the flow has left its own.
void native_context::departed(void* self) {
  auto* flow = static_cast<native_context*>(self);
  if (flow->control_bits() != flow->carrier_->control_bits_) [[unlikely]] {
    load_control_bits(flow->carrier_->control_bits_);
  }
  if (flow->then_ != nullptr) {
    flow->then_(flow->then_argument_);  // from here on the flow may run elsewhere, or be gone
  }
}

void native_context::prepare(stack_span stack, function entry, void* argument) noexcept {
  place(stack, entry, argument);
  inherit();
}

void native_context::inherit() noexcept {
  const std::uint32_t bits = read_control_bits();
  mxcsr_ = bits & mxcsr_control;
  x87_control_ = static_cast<std::uint16_t>(bits >> 16);
}

void native_context::place(stack_span stack, function entry, void* argument) noexcept {
  if (shadow_stack() != 0) [[unlikely]] {
    base::fatal(
        "this process runs with a hardware shadow stack, which fibers cannot switch; start it without "
        "(GLIBC_TUNABLES=glibc.cpu.x86_shstk=off), or build martlet with -Dswitch=boost");
  }
  reset(stack);
  const auto top = reinterpret_cast<std::uintptr_t>(stack.top) & ~std::uintptr_t{15};
  auto* saved = reinterpret_cast<saved_registers*>(top) - 1;  // the start then finds the stack on a 16-byte boundary
  *saved = {};
  saved->rip = reinterpret_cast<std::uintptr_t>(&martlet_start_flow);
  saved->rbx = reinterpret_cast<std::uintptr_t>(&native_context::start);
  saved->r12 = reinterpret_cast<std::uintptr_t>(this);
  saved->r13 = reinterpret_cast<std::uintptr_t>(entry);
  saved->r14 = reinterpret_cast<std::uintptr_t>(argument);
  stack_pointer_ = saved;
}

void native_context::start([[maybe_unused]] native_context* flow, function entry, void* argument) noexcept {
#if MARTLET_ASAN || MARTLET_TSAN
  flow->has_entered();
  flow->release_left();
#endif
  entry(argument);
  base::fatal("the entry function of a fiber returned; it has to end with context::finish");
}

#if MARTLET_ASAN || MARTLET_TSAN

// The sanitizers hear of the switch before anything else is done.

// On the stack of a flow that was entered: the flow that handed the thread over has left its own.
void native_context::release_left() noexcept {
  if (auto* left = static_cast<native_context*>(std::exchange(carrier_->left_, nullptr)); left != nullptr) {
    left->then_(left->then_argument_);
  }
}

void native_context::resume(carrier& here) noexcept {
  arrive(here);
  void* fake_stack = nullptr;
  will_enter(fake_stack);
  martlet_switch_stacks(&here.stack_pointer_, stack_pointer_);
  auto* left = static_cast<native_context*>(std::exchange(here.left_, nullptr));
  left->has_returned(fake_stack);
  departed(left);
}

void native_context::suspend(function then, void* argument) noexcept {
  depart(then, argument);
  carrier_->left_ = this;
  will_leave(false);
  martlet_switch_stacks(&stack_pointer_, carrier_->stack_pointer_);
  has_entered();
  release_left();
}

void native_context::hand_over(native_context& next, function then, void* argument) noexcept {
  then_ = then;
  then_argument_ = argument;
  next.carrier_ = carrier_;
  replace_by(next);
  carrier_->left_ = this;
  will_hand_over(next);
  martlet_switch_stacks(&stack_pointer_, next.stack_pointer_);
  has_entered();
  release_left();
}

void native_context::finish(function then, void* argument) noexcept {
  depart(then, argument);
  carrier_->left_ = this;
  will_leave(true);
  martlet_switch_stacks(&stack_pointer_, carrier_->stack_pointer_);
  base::fatal("a fiber was resumed after it had finished");
}

#else

// Each function ends with a tail call: the jump into the other stack is also the return to the caller there.

void native_context::resume(carrier& here) noexcept {
  arrive(here);
  martlet_switch_stacks(&here.stack_pointer_, stack_pointer_);
}

void native_context::suspend(function then, void* argument) noexcept {
  depart(then, argument);
  martlet_switch_stacks_then(&stack_pointer_, carrier_->stack_pointer_, &native_context::departed, this);
}

void native_context::hand_over(native_context& next, function then, void* argument) noexcept {
  next.carrier_ = carrier_;
  if (!is_like(next)) [[unlikely]] {
    return hand_over_unlike(next, then, argument);  // apart, so that this function saves no registers
  }
  martlet_switch_stacks_then(&stack_pointer_, next.stack_pointer_, then, argument);
}

void native_context::hand_over_unlike(native_context& next, function then, void* argument) noexcept {
  replace_by(next);
  martlet_switch_stacks_then(&stack_pointer_, next.stack_pointer_, then, argument);
}

void native_context::finish(function then, void* argument) noexcept {
  suspend(then, argument);
  base::fatal("a fiber was resumed after it had finished");
}

#endif

void native_context::suspend() noexcept { suspend(nullptr, nullptr); }

}  // namespace martlet::detail

#endif  // MARTLET_HAS_NATIVE_SWITCH
