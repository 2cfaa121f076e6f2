#pragma once

/// The one door to thread-locals.
///
/// A tasklet may go on on another thread after every wait, and compilers keep the address of a thread-local, or its
/// value, over the call that waits. So martlet has a single thread-local, one pointer, and no compiler ever sees it: it
/// is read by two instructions of assembly, or by a function that is never inlined and launders the value.
namespace martlet::base {

/// Returns   what this thread last gave to `set_current`; null at first.
/// Cost      two loads.
#if defined(__x86_64__) && defined(__LP64__) && defined(__ELF__)
inline void* current() noexcept {
  void* value;
  asm volatile("movq martlet_current@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(value)::"memory");
  return value;
}
#else
void* current() noexcept;
#endif

/// Returns   an address that tells the calling thread from every other that lives. Not to be kept over a wait.
/// Cost      a load.
#if defined(__x86_64__) && defined(__LP64__) && defined(__ELF__)
inline const void* this_thread() noexcept {
  const void* self;
  asm volatile("movq %%fs:0, %0" : "=r"(self)::"memory");  // the thread's control block begins with its address
  return self;
}
#else
const void* this_thread() noexcept;
#endif

/// Sets what `current()` returns on this thread.
void set_current(void* value) noexcept;

namespace detail {
// With LTO the linker does not see which symbols assembly names. This reference has it take the file that defines them out
// of a static library, also for a program that reads the thread-local and never sets it.
[[gnu::used]] inline void (*const where_current_is)(void*) noexcept = &set_current;
}  // namespace detail

}  // namespace martlet::base
