#pragma once

#include <cstddef>

/// The one door to what the sanitizers want to be told. Every function here is empty in a build without them.
///
/// `MARTLET_ASAN` and `MARTLET_TSAN` are 1 in a translation unit that is compiled with that sanitizer, else 0.

#if defined(__SANITIZE_ADDRESS__)  // g++
#define MARTLET_ASAN 1
#elif defined(__has_feature)  // clang
#if __has_feature(address_sanitizer)
#define MARTLET_ASAN 1
#endif
#endif
#ifndef MARTLET_ASAN
#define MARTLET_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define MARTLET_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MARTLET_TSAN 1
#endif
#endif
#ifndef MARTLET_TSAN
#define MARTLET_TSAN 0
#endif

#if MARTLET_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if MARTLET_TSAN
#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace martlet::base {

/// True when stack switches have to be announced: the switching functions then have work to do after the switch too.
inline constexpr bool stacks_are_watched = MARTLET_ASAN != 0 || MARTLET_TSAN != 0;

/// Says that allocated memory, and what it leads to, is no leak although only memory mapped by ourselves leads to it.
inline void is_no_leak([[maybe_unused]] const void* allocated) noexcept {
#if MARTLET_ASAN
  __lsan_ignore_object(allocated);
#endif
}

/// Makes every access to the bytes a reported error, until `unpoison`.
inline void poison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) noexcept {
#if MARTLET_ASAN
  __asan_poison_memory_region(from, bytes);
#endif
}

inline void unpoison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) noexcept {
#if MARTLET_ASAN
  __asan_unpoison_memory_region(from, bytes);
#endif
}

// What announces a switch is inlined even without optimisation: TSan would see a call of its own begin on one stack and
// end on another.

/// Announces to ASan that this thread is about to run on the stack [low, low + bytes).
///
/// Takes     `fake_stack`, where to keep what `asan_has_switched` needs when this stack goes on; null when it never
///           will.
[[gnu::always_inline]] inline void asan_will_switch([[maybe_unused]] void** fake_stack,
                                                    [[maybe_unused]] const void* low,
                                                    [[maybe_unused]] std::size_t bytes) noexcept {
#if MARTLET_ASAN
  __sanitizer_start_switch_fiber(fake_stack, low, bytes);
#endif
}

/// Announces to ASan that the switch is done.
///
/// Takes     `fake_stack` as kept when this stack was left, null on a fresh one; where to put the left stack's bounds.
[[gnu::always_inline]] inline void asan_has_switched([[maybe_unused]] void* fake_stack,
                                                     [[maybe_unused]] const void** left_low,
                                                     [[maybe_unused]] std::size_t* left_bytes) noexcept {
#if MARTLET_ASAN
  __sanitizer_finish_switch_fiber(fake_stack, left_low, left_bytes);
#endif
}

/// Returns   TSan's handle for what runs now; null without TSan.
inline void* tsan_current_fiber() noexcept {
#if MARTLET_TSAN
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

/// Makes a handle for a new fiber. TSan dies beyond 8,128 threads and fibers, so make it late and destroy it early.
inline void* tsan_create_fiber() noexcept {
#if MARTLET_TSAN
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}

/// Destroys the handle of a fiber that does not run.
inline void tsan_destroy_fiber([[maybe_unused]] void* fiber) noexcept {
#if MARTLET_TSAN
  __tsan_destroy_fiber(fiber);
#endif
}

/// Announces to TSan that the very next thing is a switch to `fiber`; what was done before happens before what it does.
[[gnu::always_inline]] inline void tsan_will_switch([[maybe_unused]] void* fiber) noexcept {
#if MARTLET_TSAN
  __tsan_switch_to_fiber(fiber, 0);
#endif
}

/// Announce to TSan what a count orders that is kept where it does not look: libstdc++ counts who has an exception. What
/// was done before `tsan_done_with` was done before what comes after `tsan_may_free` of the same object.
inline void tsan_done_with([[maybe_unused]] const void* counted) noexcept {
#if MARTLET_TSAN
  __tsan_release(const_cast<void*>(counted));
#endif
}
inline void tsan_may_free([[maybe_unused]] const void* counted) noexcept {
#if MARTLET_TSAN
  if (counted != nullptr) {
    __tsan_acquire(const_cast<void*>(counted));
  }
#endif
}

/// Has TSan overlook what this thread does until `tsan_look_again`: in a child of fork it takes the parent's threads for
/// alive.
inline void tsan_look_away() noexcept {
#if MARTLET_TSAN
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

inline void tsan_look_again() noexcept {
#if MARTLET_TSAN
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

}  // namespace martlet::base
