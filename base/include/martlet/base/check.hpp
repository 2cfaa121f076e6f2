#pragma once

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <string_view>

/// Stops the process with a sentence when it is used in a way that cannot go on.
namespace martlet::base {

namespace detail {

// A piece of the sentence: text, or a number written in decimal. No allocation: a fatal error may be about memory.
class fatal_part {
 public:
  fatal_part(std::string_view text) noexcept : text_(text) {}
  fatal_part(const char* text) noexcept : text_(text) {}
  fatal_part(std::integral auto number) noexcept {
    text_ = {digits_, static_cast<std::size_t>(std::to_chars(digits_, digits_ + sizeof digits_, number).ptr - digits_)};
  }
  fatal_part(const fatal_part&) = delete;
  fatal_part& operator=(const fatal_part&) = delete;

  std::string_view text() const noexcept { return text_; }

 private:
  char digits_[24];
  std::string_view text_;
};

[[noreturn]] void write_and_abort(std::initializer_list<fatal_part> parts) noexcept;

}  // namespace detail

/// Writes one line, "martlet: " and the parts joined, to standard error, and aborts.
///
/// Use it for a bug in the calling program: say what was expected, what was found, what to do. Not for what may happen
/// in good code (memory, descriptors, a closed channel): that is an exception or a value.
///
///     base::fatal("a worker count of ", n, " was asked for; give at least 1");
///
/// Takes     texts and whole numbers.
/// Threads   any; also from a signal handler.
template <class... Parts>
[[noreturn]] void fatal(const Parts&... parts) noexcept {
  detail::write_and_abort({detail::fatal_part(parts)...});
}

}  // namespace martlet::base

/// Checks an invariant of martlet's own in builds without NDEBUG; `sentence` says what should have been true.
#ifdef NDEBUG
#define MARTLET_ASSERT(condition, sentence) static_cast<void>(sizeof((condition) ? 1 : 0))
#else
#define MARTLET_ASSERT(condition, sentence)                                                                        \
  ((condition) ? static_cast<void>(0)                                                                              \
               : ::martlet::base::fatal("internal error: ", sentence, " (", #condition, " is false at ", __FILE__, \
                                        ":", __LINE__, "); please report it"))
#endif
