#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <martlet/tasklet/extras.hpp>

namespace martlet {

namespace detail {

/// Returns   a number that no other `tasklet_local` has, had or will have.
std::uint64_t next_local_key() noexcept;

/// Returns   the value of the calling tasklet or thread for `key`, null when there is none yet.
void* find_local(std::uint64_t key) noexcept;

/// Keeps a value until its tasklet ends. Throws std::bad_alloc; the value is still the caller's then.
void keep_local(std::uint64_t key, void* value, void (*destroy)(void*));

}  // namespace detail

/// Is a variable of which each tasklet has its own, as a `thread_local` is one of which each thread has.
///
/// Use it for what belongs to a tasklet and is not worth a parameter everywhere: a request's number, a random generator, a
/// connection. A `thread_local` cannot do that: after a wait the tasklet may be on another thread. A plain thread has
/// one of its own too.
///
/// ```cpp
/// martlet::tasklet_local<std::string> user([] { return std::string("nobody"); });
/// *user = "alice";
/// co_await something();
/// log(*user);                    // still alice, whatever the thread
/// ```
///
/// A tasklet's value is made when it is first asked for, and destroyed when the tasklet ends, the last made first; a
/// destructor must not wait. Values are not handed on to children.
///
/// Threads   any; a value is its tasklet's alone, and so are references to it.
/// Cost      about 5 ns a look, with few of them in use; the first one 100 ns.
template <class T>
class tasklet_local {
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T>);

 public:
  /// Takes     what makes each tasklet's value, called there; without it the value is `T()`.
  tasklet_local() : make_([] { return T(); }) {}
  template <class Make>
    requires std::is_invocable_r_v<T, Make&>
  explicit tasklet_local(Make make) : make_(std::move(make)) {}
  tasklet_local(const tasklet_local&) = delete;
  tasklet_local& operator=(const tasklet_local&) = delete;

  /// Returns   this tasklet's value.
  /// Throws    what making it throws; std::bad_alloc.
  T& get() {
    if (void* present = detail::find_local(key_); present != nullptr) {
      return *static_cast<T*>(present);
    }
    auto made = std::make_unique<T>(make_());
    detail::keep_local(key_, made.get(), [](void* value) { delete static_cast<T*>(value); });
    return *made.release();
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

 private:
  const std::uint64_t key_ = detail::next_local_key();
  const std::function<T()> make_;
};

}  // namespace martlet
