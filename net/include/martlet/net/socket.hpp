#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <martlet/net/endpoint.hpp>
#include <martlet/tasklet/case_operation.hpp>

/// What streams and listeners have in common. A part of the room, not for users.
namespace martlet::detail {

class descriptor;

/// The two things that one can wait for at a descriptor.
enum class toward : std::uint8_t { in, out };
inline constexpr toward inward = toward::in;
inline constexpr toward outward = toward::out;

/// Owns a descriptor: closes it, and with it everything that waits there.
class socket {
 public:
  socket() noexcept = default;

  /// Opens a non-blocking one of `family`, in a simulation one of its network.
  ///
  /// Throws    std::system_error; misuse in a simulation without a network.
  static socket open(int family);

  /// Takes over `fd`, which does not block; it is closed when there is no memory for it.
  ///
  /// Throws    std::bad_alloc.
  explicit socket(int fd);

  /// The same with memory that was taken before.
  socket(descriptor& unused, int fd) noexcept;
  socket(socket&& other) noexcept : at_(std::exchange(other.at_, nullptr)), generation_(other.generation_) {}
  socket& operator=(socket&& other) noexcept {
    socket(std::move(other)).swap(*this);
    return *this;
  }
  ~socket() { close(); }

  void swap(socket& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(generation_, other.generation_);
  }

  /// Ends every operation that waits here with `socket_closed`; closing twice is allowed.
  void close() noexcept;

  bool is_open() const noexcept;
  int native_handle() const noexcept;

  /// Returns   0 or an errno.
  int listen(const net::endpoint& at, int backlog, bool share_port) noexcept;

  net::endpoint local_endpoint() const;
  net::endpoint remote_endpoint() const;
  void set_option(int level, int name, int value, const char* said_as);
  void shutdown_write();

 private:
  friend class socket_wait;

  int number() const noexcept;

  descriptor* at_ = nullptr;
  std::uint32_t generation_ = 0;  // of the descriptor when it became ours
};

/// An operation at one direction of a descriptor, as the reactor sees it: a node, and how to try.
class socket_wait : public wait_node {
 public:
  /// Tries the system call. Runs under the direction's lock, on the waiter's thread or on the reactor's.
  ///
  /// Returns   false when it would block; true when it is over, perhaps with `error_` set.
  using attempt_function = bool(socket_wait& self, int fd) noexcept;

  wait_core& core() noexcept { return *core_; }
  bool try_now(tasklet*& wake) noexcept;
  void link() noexcept;
  void unlink() noexcept { wait_list::unlink(*this); }

 protected:
  static constexpr int error_closed = -1;
  static constexpr int error_unsimulated = -2;  // a simulation cannot wait for it

  socket_wait(const socket& on, const toward& where, attempt_function& attempt) noexcept;

  /// Throws    what `error_` means; `doing` begins the sentence.
  void throw_error(const char* doing) const {
    if (error_ != 0) [[unlikely]] {
      throw_it(doing);
    }
  }

  int error_ = 0;                // errno, or one of the two above
  bool is_short_ = false;        // a read found less than it asked for: nothing more is there
  bool trusts_events_ = false;   // is over as soon as there was an event, whether or not that is stale
  bool makes_progress_ = false;  // may be tried before it is claimed: a part of it is no harm

 private:
  friend class descriptor;

  [[noreturn]] void throw_it(const char* doing) const;

  wait_core* core_;
  descriptor* at_;
  std::uint32_t generation_;
  attempt_function* attempt_;
};

/// Throws    std::system_error; `what` is the sentence, `error` an errno.
[[noreturn]] void throw_system_error(int error, const std::string& what);

}  // namespace martlet::detail
