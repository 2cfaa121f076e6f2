#pragma once

#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>

#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/base/sanitizer.hpp>

#include "in_child.hpp"

/// Has the system refuse what a program asks for: each time once, and in turn every time that it asks.
namespace martlet::testing {

/// What is refused: memory from `operator new`, mappings and what is done to them, or descriptors.
enum class resource { memory, descriptors };

/// Whether what is asked for after that is given.
enum class refusing { once, from_then_on };

/// Refuses one thing of the process, whichever thread asks. The test program is linked so that what asks for such things asks
/// here first (meson.build).
class refusal {
 public:
  /// Takes     which of those that are asked for while a `refuses` runs, counted from 1; the errno for a descriptor.
  refusal(resource what, refusing how, long which, int error = EMFILE)
      : what_(what), how_(how), which_(which), error_(error) {}

  /// Runs `body` while things are refused.
  ///
  /// Returns   whether it threw what says so: bad_alloc, or system_error for a lack of memory, threads or descriptors. Anything
  ///           else goes on to the caller.
  template <class F>
  bool refuses(F body) {
    begin();
    try {
      body();
      end();
      return false;
    } catch (const std::bad_alloc&) {
      end();
      return true;
    } catch (const std::system_error& error) {
      end();
      const int number = error.code().value();
      if (number != ENOMEM && number != EAGAIN && number != EMFILE && number != ENFILE) {
        throw;
      }
      return true;
    }
  }

  /// Returns   whether something has been refused.
  bool has_happened() const noexcept;

 private:
  void begin() noexcept;
  void end() noexcept;

  resource what_;
  refusing how_;
  long which_;
  int error_;
};

/// Ends a child whose claim does not hold.
inline void expect(bool claim, const char* said) noexcept {
  if (!claim) {
    std::fprintf(stderr, "expected that %s\n", said);
    ::_exit(2);
  }
}

/// Runs a program in child after child, each of which has nothing in store. The first thing that it asks for is refused in the
/// first, the second in the second, until one of them asks for less; each that once, and then with all that comes after.
///
/// Takes     the program, which is given its `refusal`. It ends with everything destroyed that it has made.
/// Returns   how many things were refused in turn.
template <class Program>
long refuse_each(resource what, Program program, int error = EMFILE) {
  constexpr int all_held = 42;
  constexpr int asked_for_less = 43;
  [[maybe_unused]] constexpr int leaked = 44;  // only ASan tells
  long most = 0;
  for (const refusing how : {refusing::once, refusing::from_then_on}) {
    for (long which = 1;; ++which) {
      const child_end end = in_child([&]() noexcept {
        refusal now(what, how, which, error);
        program(now);
#if MARTLET_ASAN
        if (__lsan_do_recoverable_leak_check() != 0) {
          ::_exit(leaked);
        }
#endif
        ::_exit(now.has_happened() ? all_held : asked_for_less);
      });
      if (end.exited_with(asked_for_less)) {
        break;
      }
      CAPTURE(which);
      CAPTURE(static_cast<int>(how));
      CAPTURE(end.status);
      CAPTURE(end.errors);
      REQUIRE(end.exited_with(all_held));
      most = which > most ? which : most;
    }
  }
  MESSAGE(most, " things were refused in turn");
  return most;
}

}  // namespace martlet::testing
