#pragma once

#include <cstddef>
#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/net/socket.hpp>
#include <martlet/tasklet/wait.hpp>

/// What the room keeps of each open descriptor, and how events become wake-ups.
///
/// A descriptor has two wait cores, one per direction, so that a reader and a writer never meet. Every system call on
/// the descriptor is made under the lock of its direction and cannot block; so the descriptor cannot be closed, nor its
/// number be used again, in the middle of one, and an operation that has not been claimed has had no effect.
///
/// Invariants, under a direction's lock: I1 somebody waits only after a system call has said that it would block, and
/// no event has been seen since; I2 an operation may use `fd` only while its generation is the descriptor's; closing
/// raises the generation under both locks. I3 descriptors are recycled as descriptors and their memory is never given
/// back: a stale event, a late canceller or an operation on a closed socket may always lock and look.
///
/// The locks are taken in this order: in, out (their addresses), then `home_lock`.
namespace martlet::detail {

class epoll_set;

struct alignas(16) direction : wait_core {
  direction() noexcept : wait_core(kind::socket) {}

  bool is_ready = true;  // a try is worth while: nobody has been told otherwise since the last event
  wait_list waiting;
};

class descriptor {
 public:
  static constexpr std::uint64_t generation_shift = 48;

  direction in;
  direction out;
  int fd = -1;
  base::atomic<std::uint32_t> generation{0};  // written under both locks; others compare a copy with it
  bool has_ended = false;                     // the other side is done, or the connection broke; under in's lock
  base::spin_lock home_lock;
  epoll_set* home = nullptr;  // where it is registered; under home_lock
  descriptor* next_free = nullptr;

  direction& at(toward where) noexcept { return where == toward::in ? in : out; }

  /// What epoll gives back with each event: the address and as much of the generation as fits above it.
  std::uint64_t token() const noexcept {
    return reinterpret_cast<std::uintptr_t>(this) | static_cast<std::uint64_t>(generation.load(base::relaxed))
                                                        << generation_shift;
  }

  /// Serves those who wait, after epoll has told of `events` for the descriptor of `token`.
  ///
  /// Threads   any.
  static void on_events(std::uint64_t token, std::uint32_t events) noexcept;

  /// Registers the descriptor where the caller's thread looks for events; one that belongs to a worker stays there.
  ///
  /// Returns   0 or an errno. Under the lock of either direction.
  int register_here() noexcept;

  /// Moves it to another set, because its own ends, and keeps its waits.
  void move_home(epoll_set& from, epoll_set& to) noexcept;

  /// Makes it stand for an open `number` that does not block.
  void open(int number) noexcept;

  /// Closes it if it still has this generation.
  void close(std::uint32_t expected) noexcept;

 private:
  friend class socket_wait;

  wait_node* serve(direction& d, wait_node* chain) noexcept;
  static void make_ready(wait_node* chain) noexcept;
};

/// Where descriptors come from and go to. One instance, constant-initialised, never destroyed.
class descriptor_pool {
 public:
  constexpr descriptor_pool() noexcept = default;

  /// Returns   one that is not open; null when there is no memory.
  descriptor* try_take() noexcept;
  void give_back(descriptor* unused) noexcept;

  /// Takes its lock, so that the copy that a child of fork gets is whole, and lets go of it.
  void hold() noexcept { lock_.lock(); }
  void let_go() noexcept { lock_.unlock(); }

  /// Makes every descriptor register again when somebody waits for it next. For a child of fork, in which nobody runs.
  void forget_homes() noexcept;

  template <class Visit>
  void walk(Visit visit) {
    for (block* b = blocks_.load(base::acquire); b != nullptr; b = b->older) {  // [descriptors.publish]
      for (descriptor& d : b->items) {
        visit(d);
      }
    }
  }

 private:
  struct block {
    block* older;
    descriptor items[64];
  };

  base::spin_lock lock_;
  descriptor* free_ = nullptr;
  base::atomic<block*> blocks_{nullptr};
};

descriptor_pool& descriptors() noexcept;

}  // namespace martlet::detail
