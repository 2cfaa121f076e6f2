// What the native switch promises beyond the common interface: registers, control words, and unwinding from each of
// its instructions.
#include <martlet/tasklet/context.hpp>

#include <doctest/doctest.h>

#include "flow.hpp"

#if MARTLET_HAS_NATIVE_SWITCH

#include <algorithm>
#include <csignal>
#include <cstdint>

#include <fenv.h>
#include <ucontext.h>
#include <unwind.h>
#include <xmmintrin.h>

#include "in_child.hpp"

// int martlet_test_registers(uintptr_t seed, void (*call)(void*), void* argument): puts seed + 1 ... seed + 6 into the
// callee-saved registers, calls, and returns how many have changed.
asm(R"(
.pushsection .text, "ax", @progbits
.globl martlet_test_registers
.hidden martlet_test_registers
.type martlet_test_registers, @function
martlet_test_registers:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  leaq 1(%rdi), %rbx
  leaq 2(%rdi), %rbp
  leaq 3(%rdi), %r12
  leaq 4(%rdi), %r13
  leaq 5(%rdi), %r14
  leaq 6(%rdi), %r15
  movq %rdx, %rdi
  call *%rsi
  popq %rdi
  xorl %eax, %eax
  xorl %ecx, %ecx
  leaq 1(%rdi), %rdx
  cmpq %rdx, %rbx
  setne %cl
  addl %ecx, %eax
  leaq 2(%rdi), %rdx
  cmpq %rdx, %rbp
  setne %cl
  addl %ecx, %eax
  leaq 3(%rdi), %rdx
  cmpq %rdx, %r12
  setne %cl
  addl %ecx, %eax
  leaq 4(%rdi), %rdx
  cmpq %rdx, %r13
  setne %cl
  addl %ecx, %eax
  leaq 5(%rdi), %rdx
  cmpq %rdx, %r14
  setne %cl
  addl %ecx, %eax
  leaq 6(%rdi), %rdx
  cmpq %rdx, %r15
  setne %cl
  addl %ecx, %eax
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
.popsection
)");

extern "C" void martlet_start_flow();  // a flow's outermost function
extern "C" int martlet_test_registers(std::uintptr_t seed, void (*call)(void*), void* argument);

namespace {

using namespace martlet::detail;
using namespace martlet::testing;

std::uint16_t x87_control() {
  std::uint16_t word = 0;
  asm volatile("fnstcw %0" : "=m"(word));
  return word;
}

void set_x87_control(std::uint16_t word) { asm volatile("fldcw %0" : : "m"(word)); }

#if !MARTLET_ASAN && !MARTLET_TSAN
// Where a single-stepped program was unwound from, and how that ended.
struct steps_taken {
  int steps = 0;
  int cut_short = 0;  // an unwinding that did not come to the end of a stack
  int overran = 0;    // one that took what lies above a flow's stack for callers
  int on_thread = 0;  // those that passed through the test's own frame
  int in_flow = 0;    // those that passed through the flow's body
  std::uintptr_t thread_frame = 0;
  std::uintptr_t flow_frame = 0;
};
steps_taken steps;

void unwind_here(int, siginfo_t*, void*) {
  struct walk {
    int frames = 0;
    bool met_thread = false;
    bool met_flow = false;
    std::uintptr_t last = 0;
  } met;
  const auto code = _Unwind_Backtrace(
      [](_Unwind_Context* at, void* given) {
        auto& seen = *static_cast<walk*>(given);
        const auto function =
            reinterpret_cast<std::uintptr_t>(_Unwind_FindEnclosingFunction(reinterpret_cast<void*>(_Unwind_GetIP(at))));
        seen.last = function != 0 ? function : seen.last;  // it also reports the end, as a frame without address
        seen.met_thread |= function == steps.thread_frame;
        seen.met_flow |= function == steps.flow_frame;
        return ++seen.frames < 200 ? _URC_NO_REASON : _URC_NORMAL_STOP;
      },
      &met);
  ++steps.steps;
  steps.cut_short += code == _URC_END_OF_STACK ? 0 : 1;
  steps.overran += met.met_flow && met.last != reinterpret_cast<std::uintptr_t>(&martlet_start_flow) ? 1 : 0;
  steps.on_thread += met.met_thread ? 1 : 0;
  steps.in_flow += met.met_flow ? 1 : 0;
}

[[gnu::always_inline]] inline void set_trap_flag(bool on) {
  constexpr unsigned long long trap_flag = 0x100;
  const unsigned long long flags = __builtin_ia32_readeflags_u64();
  __builtin_ia32_writeeflags_u64(on ? flags | trap_flag : flags & ~trap_flag);
}

template <class Context>
struct stepped {
  Context context;

  [[gnu::noinline]] static void body(void* self) {
    auto& flow_context = static_cast<stepped*>(self)->context;
    flow_context.suspend();
    flow_context.suspend([](void*) { asm volatile("" ::: "memory"); }, nullptr);
    flow_context.finish();
  }

  [[gnu::noinline]] static void run(stepped& me, carrier& here) {
    me.context.resume(here);  // whatever the loader has to bind, is bound
    set_trap_flag(true);
    me.context.resume(here);
    me.context.resume(here);
    set_trap_flag(false);
  }
};
#endif

TEST_SUITE("native_context") {
  TEST_CASE_TEMPLATE("each side finds its own values in the callee-saved registers", Context, MARTLET_TEST_BACKENDS) {
    flow<Context> f([](auto& self) {
      for (int i = 0; i < 10; ++i) {
        const int changed =
            martlet_test_registers(1000, [](void* me) { static_cast<flow<Context>*>(me)->suspend(); }, &self);
        CHECK(changed == 0);
      }
    });
    while (!f.is_finished()) {
      const int changed = martlet_test_registers(2000, [](void* it) { static_cast<flow<Context>*>(it)->resume(); }, &f);
      CHECK(changed == 0);
    }
  }

  TEST_CASE_TEMPLATE("the x87 precision and MXCSR's denormal bits belong to the flow", Context, MARTLET_TEST_BACKENDS) {
    const std::uint16_t own_x87 = x87_control();
    const unsigned own_mxcsr = _mm_getcsr() & ~0x3fU;
    flow<Context> f([&](auto& self) {
      const auto single = static_cast<std::uint16_t>(own_x87 & ~0x300);
      set_x87_control(single);
      _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
      self.suspend();
      CHECK(x87_control() == single);
      CHECK((_mm_getcsr() & 0x8040) == 0x8040);
    });
    f.resume();
    CHECK(x87_control() == own_x87);
    CHECK((_mm_getcsr() & ~0x3fU) == own_mxcsr);
    f.resume_elsewhere();
    CHECK(f.is_finished());
    CHECK(x87_control() == own_x87);
  }

  TEST_CASE("flags that the thread left behind do not trap in a flow that asks for traps") {
    flow<native_context> f([](auto& self) {
      ::feenableexcept(FE_DIVBYZERO);
      self.suspend();
      volatile long double sum = 1;
      sum = sum + 1;  // the first x87 instruction after the control word
      CHECK(sum == 2);
    });
    f.resume();
    volatile long double zero = 0;
    volatile long double infinite = 1 / zero;
    CHECK(infinite > 1);
    f.resume();
    CHECK(f.is_finished());
    ::feclearexcept(FE_ALL_EXCEPT);
  }

#ifndef NDEBUG
  TEST_CASE("a debug build stops when the thread's control bits leak into a flow") {
    const auto end = in_child([] {
      carrier here;
      native_context context;
      context.prepare(pool.take(), [](void* self) { static_cast<native_context*>(self)->finish(); }, &context);
      ::fesetround(FE_UPWARD);
      context.resume(here);
    });
    CHECK(end.was_aborted());
    CHECK(end.said("set them back before it waits"));
  }
#endif

#if !MARTLET_ASAN && !MARTLET_TSAN
  TEST_CASE("an unwinder works at every instruction of a switch, on both stacks") {
    steps = {};
    const stack memory = pool.take();
    stepped<native_context> mine;
    steps.thread_frame = reinterpret_cast<std::uintptr_t>(&stepped<native_context>::run);
    steps.flow_frame = reinterpret_cast<std::uintptr_t>(&stepped<native_context>::body);
    struct sigaction step = {};
    struct sigaction before = {};
    step.sa_sigaction = unwind_here;
    step.sa_flags = SA_SIGINFO;
    ::sigaction(SIGTRAP, &step, &before);
    // Above the stack, something that looks like a caller.
    auto* above = reinterpret_cast<std::uintptr_t*>(memory.top) - 8;
    std::fill_n(above, 8, steps.thread_frame + 1);
    mine.context.prepare({memory.low, reinterpret_cast<std::byte*>(above)}, &stepped<native_context>::body, &mine);
    carrier here;
    stepped<native_context>::run(mine, here);
    ::sigaction(SIGTRAP, &before, nullptr);
    pool.give_back(memory);
    CHECK(steps.steps > 100);
    CHECK(steps.cut_short == 0);
    CHECK(steps.overran == 0);
    // At each instruction one of the two stacks is found, whole.
    CHECK(steps.on_thread + steps.in_flow == steps.steps);
    CHECK(steps.on_thread > 40);
    CHECK(steps.in_flow > 40);
  }
#endif
}

}  // namespace

#endif
