#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/tasklet/site.hpp>

/// The record that every tasklet begins with, and the word that says what it does.
///
/// A tasklet is queued as a pointer to its record. The record stands 16 bytes behind {resume, destroy}, which is where
/// g++ and clang put a coroutine's promise; a fiber, a thread that waits and a Python tasklet have frames made by hand
/// of the same shape. So one pointer means all of them and resuming is one indirect call.
///
/// An awaited child coroutine has a record too, but is no tasklet of its own: its word names its *root*, the tasklet
/// that runs it. Waiting, cancellation and identity belong to the root; what is resumed is the leaf, the innermost
/// coroutine, which the root's `link` leads to.
///
/// The word (low three bits a tag, the rest an address):
///   free 0       no frame: the slot waits in a free list (slabs are walked by this)
///   created      made, neither spawned nor awaited yet
///   runnable     queued or running; with an address: its wait was claimed, and the work for it is still being done; marked
///                `queued`: the rest belongs to its queue
///   parked|core  waits on exactly one core; whoever holds that core's lock may claim it with a plain store
///   select       waits on several cores; claimed by compare-exchange
///   child|root   an awaited child
///   done, failed finished; the frame waits for its handle
///
/// Invariants: I1 only its own thread moves a word from runnable; I2 a word leaves `parked` only under the core's lock;
/// I3 a record's lock and word outlive the frame: slots are recycled as slots, never unmapped, so that a canceller may
/// lock a core that died meanwhile, look at the word again, and let go. A free slot whose page goes back to the system
/// reads as free and unlocked, and nobody holds its lock then (frame_pool.cpp, drop_run).
/// I4 a tasklet ends (done, failed) only under its record's lock: whoever holds that may look at one that lives without a
/// handle.
///
/// Memory orders: [word.park] the waiter's node, then its word, seen by a canceller that reads the word; the claimers
/// see both through the core's lock. [word.finish] the result, then done or failed.
namespace martlet::detail {

class executor;
class scope_base;
struct host;
struct wait_node;

/// What a wait core is. One of the first four is a tasklet: its end is waited for.
enum class kind : std::uint8_t {
  coroutine,
  fiber,
  thread,
  python,
  other,
  barrier,
  blocking,
  channel,
  condition,
  event,
  mutex,
  once,
  scope,
  semaphore,
  shared_mutex,
  socket,
  timer,
  wait_group
};

/// What a wait is entered into and claimed under: a channel, a finished tasklet, a timer wheel, a socket.
///
/// Derived objects stand on an 8-byte boundary, in memory that is never unmapped while a tasklet may be parked there.
struct wait_core {
  struct keep_lock {};

  explicit wait_core(kind what = kind::other) noexcept : lock_(), kind_(what) {}
  // A recycled slot's lock may be held at this moment by a canceller that still believes in the former core (I3), so
  // it is taken over as it is; fresh slabs are zero, which is "unlocked".
  explicit wait_core(keep_lock, kind what = kind::other) noexcept : kind_(what) {}
  ~wait_core() {}
  wait_core(const wait_core&) = delete;
  wait_core& operator=(const wait_core&) = delete;

  union {
    base::spin_lock lock_;
  };
  kind kind_;  // for reports; of a tasklet also how it is run
};

enum class tag : std::uintptr_t { free, created, runnable, parked, select, child, done, failed };

inline constexpr std::uintptr_t tag_mask = 7;
inline constexpr std::uintptr_t queued_mark = std::uintptr_t{1} << (8 * sizeof(std::uintptr_t) - 1);  // in no address

/// What a tasklet's `cancel_` says. It stays 0 for those that nobody stops; waits look at `stop` alone.
///
/// A scope that was made behind d shields stops its tasklet while that stands behind d at most: its *reach* is d + 1. Of all
/// stopped scopes that a tasklet is inside of the word has the farthest reach.
namespace cancel {
inline constexpr std::uint16_t asked = 1;         // it was asked to stop; never taken back
inline constexpr std::uint16_t looking = 2;       // a canceller looks at its word: no shield may be raised meanwhile
inline constexpr std::uint16_t shield = 1U << 2;  // counted: shields that it stands behind
inline constexpr std::uint16_t shields = 0x00fc;
inline constexpr std::uint16_t most_shields = shields / shield;
inline constexpr unsigned reach_shift = 8;
inline constexpr std::uint16_t reaches = 0x7f00;  // the farthest reach
inline constexpr std::uint16_t stop = 0x8000;     // its waits throw; follows from the rest (`settled`)
inline constexpr std::uint16_t from_the_start = asked | stop;
static_assert(most_shields < reaches >> reach_shift);

constexpr std::uint16_t shields_in(std::uint16_t now) noexcept {
  return static_cast<std::uint16_t>((now & shields) / shield);
}
constexpr std::uint16_t reach_in(std::uint16_t now) noexcept {
  return static_cast<std::uint16_t>((now & reaches) >> reach_shift);
}
constexpr std::uint16_t with_reach(std::uint16_t now, std::uint16_t reach) noexcept {
  return static_cast<std::uint16_t>((now & ~reaches) | reach << reach_shift);
}

/// Returns   the word with the `stop` that follows from the rest of it.
constexpr std::uint16_t settled(std::uint16_t now) noexcept {
  const std::uint16_t depth = shields_in(now);
  const bool stops = ((now & asked) != 0 && depth == 0) || reach_in(now) > depth;
  return static_cast<std::uint16_t>(stops ? now | stop : now & ~stop);
}
}  // namespace cancel

struct tasklet : wait_core {
  // The word is stored to rather than constructed: whoever walks the slabs may look at this moment (I3). What
  // roots and children use in different ways is written when it becomes one, by `begin_as_root` or by whoever awaits it;
  // `host_` by whoever spawns it.
  explicit tasklet(kind what) noexcept : wait_core(keep_lock{}, what) {
    word_.store(bits(tag::created), base::relaxed);  // nobody else knows the frame yet
  }

  struct on_stack {};
  tasklet(kind what, on_stack) noexcept : wait_core(what) {
    begin_as_root(site());
    host_.store(nullptr, base::relaxed);
    word_.store(bits(tag::runnable), base::relaxed);
  }

  /// Makes it a tasklet of its own, which is about to be spawned at `where`: by no scope yet, and joined by nobody.
  void begin_as_root(site where) noexcept {
    link_ = 0;
    joiner_ = nullptr;
    site_ = where;
  }

  ~tasklet() {}  // what lies in unions outlives the frame (I3)

  static constexpr std::uintptr_t bits(tag t) noexcept { return static_cast<std::uintptr_t>(t); }
  static tag tag_of(std::uintptr_t word) noexcept { return static_cast<tag>(word & tag_mask); }
  static std::uintptr_t parked_on(const wait_core& core) noexcept {
    return reinterpret_cast<std::uintptr_t>(&core) | bits(tag::parked);
  }

  /// Returns   the tasklet that this record belongs to: itself, or the one that awaits it.
  tasklet* root() noexcept {
    const auto word = word_.load(base::relaxed);  // of a child it never changes while anybody may ask
    if (tag_of(word) == tag::child) [[unlikely]] {
      asm volatile("");  // stays a branch, which the processor guesses; a conditional move would wait for the word
      return reinterpret_cast<tasklet*>(word & ~tag_mask);
    }
    return this;
  }

  /// Returns   the innermost awaited coroutine of this root: what has to be resumed.
  tasklet* leaf() noexcept { return (link_ & 1) != 0 ? reinterpret_cast<tasklet*>(link_ & ~std::uintptr_t{1}) : this; }

  void* frame() noexcept { return reinterpret_cast<std::byte*>(this) - frame_offset; }
  void resume() noexcept { (*static_cast<void (**)(void*)>(frame()))(frame()); }
  void destroy() noexcept { static_cast<void (**)(void*)>(frame())[1](frame()); }

  /// Returns   the host it runs on, or ran on last; of a root. A running tasklet may rely on it.
  host* at() const noexcept { return host_.load(base::relaxed); }

  /// Returns   whether the waits of this root have to throw `cancelled`.
  bool is_cancelled() const noexcept { return (cancel_.load(base::relaxed) & cancel::stop) != 0; }

  static constexpr std::size_t frame_offset = 2 * sizeof(void*);

  base::atomic<std::uint16_t> cancel_{0};  // bits of `cancel`
  bool is_pinned_ : 1 = false;             // host_ is where it runs, not merely where it ran last
  bool has_extras_ : 1 = false;            // extras.hpp; it changes both while it runs, under the lock
  std::uint8_t rest_of_own_ : 6 = 0;       // named, so that a fresh record is written without being read
  bool : 0;                                // what follows is another memory location, for other threads write it
  bool is_detached_ : 1 = false;           // no handle: it frees itself when it finishes; under the lock, as the next
  bool owes_error_ : 1 = false;            // it failed, and only its handle knows; written before the word says so
  std::uint8_t rest_of_shared_ : 6 = 0;
  std::uint16_t core_at_ = 0;  // of a fiber: how many words behind the record its core stands
  union {
    base::atomic<std::uintptr_t> word_;
  };
  std::uintptr_t link_;  // root: the leaf | 1, or its owner; child: the root's link before it
  // Of a root the wait_node of who joins, and itself once joined: under the lock until it has ended, afterwards the business
  // of who joins and who holds the handle, which the program keeps in order. Of a child who awaits it.
  void* joiner_;
  union {
    base::atomic<host*> host_;  // where it runs or ran last; written before it is resumed
  };
  union {
    site site_;  // where it was spawned
  };
};

static_assert(sizeof(tasklet) == 48);

/// Where a readied tasklet goes: before all others, or behind them.
enum class turn : std::uint8_t { next, last };

/// What can make a tasklet run again. The scheduler implements it, and nothing below the scheduler needs more.
class executor {
 public:
  /// Makes `who` (a leaf whose wait has been claimed) of the tasklet `root` run again, once.
  ///
  /// Threads   any; `here` is the caller's own host, null on a foreign thread.
  virtual void ready(tasklet* who, tasklet* root, host* here, turn when) noexcept = 0;

  /// Puts `who`, the leaf of the tasklet `root` that runs here, behind all others and takes the next one, which counts
  /// as running from here on. As `ready` with `turn::last`, without the way through the worker's loop.
  ///
  /// Returns   whom to resume; `here.queues_` is held then until `who` has left its stack, so that nobody takes it
  ///           before. Null, with nothing done, when there is no such short way: something is attached to the thread, say.
  virtual tasklet* rotate(tasklet* who, tasklet* root, host& here) noexcept = 0;

 protected:
  ~executor() = default;
};

/// A child's place in a scope that can name its children. The link of such a child leads here, marked by
/// `membership::mark`; that of another one straight to its `scope_base`.
///
/// Who holds the child, and who leaves, changes the place under the lock of the child's record, which an end takes in any
/// case and which outlives the frame (I3).
///
/// Memory orders: [member.enter] the record, then its address in the place; [member.hold] all that a canceller does to the
/// child, then its letting go.
struct membership {
  static constexpr std::uintptr_t mark = 2;
  static constexpr std::uintptr_t held = 1;
  static constexpr std::uintptr_t vacant = 2;

  /// Places stand in blocks of this many bytes, on a boundary of as many, which begin with the address of their scope.
  static constexpr std::size_t block_size = 256;

  // The child, with `held` while it may not end; 0: it ends just now; the next vacant one, with `vacant`.
  base::atomic<std::uintptr_t> who;

  membership* next() const noexcept { return reinterpret_cast<membership*>(who.load(base::relaxed) & ~vacant); }
  void vacate(membership* next) noexcept {
    who.store(reinterpret_cast<std::uintptr_t>(next) | vacant, base::relaxed);  // names no child
  }

  /// Keeps the child from ending until `let_go`, and not for long: the child spins.
  ///
  /// Returns   the child; null when there is none, or another thread holds it.
  tasklet* hold() noexcept {
    const std::uintptr_t child = who.load(base::acquire);  // [member.enter]
    if (child == 0 || (child & (held | vacant)) != 0) {
      return nullptr;
    }
    auto* one = reinterpret_cast<tasklet*>(child);
    one->lock_.lock();
    const bool ours = who.load(base::relaxed) == child;  // it may have left, and another one may have its memory
    if (ours) {
      who.store(child | held, base::relaxed);  // read under the lock, but by those who come to hold it and go
    }
    one->lock_.unlock();
    return ours ? one : nullptr;
  }
  void let_go(tasklet* child) noexcept {
    who.store(reinterpret_cast<std::uintptr_t>(child), base::release);  // [member.hold]
  }

  /// Says that the child ends: from here on nobody holds it. Under its record's lock, which it lets go of while somebody
  /// does.
  void leave(tasklet& child) noexcept {
    if ((who.load(base::acquire) & held) != 0) [[unlikely]] {  // [member.hold]
      await_release(child);
    }
    who.store(0, base::relaxed);
  }

  /// Returns   whether a link leads to a place; to which, and to whose, if it does.
  static bool is_in(std::uintptr_t link) noexcept { return (link & mark) != 0; }
  static membership& of(std::uintptr_t link) noexcept { return *reinterpret_cast<membership*>(link & ~mark); }
  static scope_base& scope_of(std::uintptr_t link) noexcept {
    return **reinterpret_cast<scope_base* const*>(link & ~(block_size - 1));
  }

 private:
  void await_release(tasklet& child) noexcept;
};

/// Marks the link to a scope that a tasklet is inside of; it stands before the one to the tasklet's owner.
inline constexpr std::uintptr_t inside_mark = 4;

/// Who owns a tasklet and outlives it: a scope, or the scheduler for what was spawned outside of any.
class scope_base {
 public:
  /// Says that a child is about to start, and where its link has to lead.
  ///
  /// Throws    std::bad_alloc; then the child must not start.
  virtual std::uintptr_t child_began(tasklet& who) = 0;

  /// Says that a child failed, before it says that the child ended.
  ///
  /// Takes     the failure; where the child was spawned; whether nobody holds a handle that could still show it.
  virtual void child_failed(std::exception_ptr failure, bool detached, site where) noexcept = 0;

  /// Says that a child threw `cancelled` because it had been asked to stop, which is no failure.
  virtual void child_stopped() noexcept {}

  /// Says that the child with this link ended, and that its place is free if it had one; the last touch of the scope by that
  /// child.
  virtual void child_ended(host& here, std::uintptr_t link) noexcept = 0;

  /// Returns   whether it wants to hear of failures that a handle can still show.
  virtual bool keeps_errors() const noexcept { return true; }

  /// Returns   the tasklet whose scope it is, null when it is no tasklet's.
  virtual const tasklet* parent() const noexcept { return nullptr; }

  /// Returns   when everything inside is cancelled; `never` when there is no such time.
  virtual base::instant limit() const noexcept { return base::never; }

  /// Returns   the link that its tasklet had before it was inside of this scope.
  virtual std::uintptr_t outer_link() const noexcept { return 0; }

 protected:
  ~scope_base() = default;
};

/// Returns   the owner that the link of a root that is inside of no scope leads to.
inline scope_base& owner_of(std::uintptr_t link) noexcept {
  return membership::is_in(link) ? membership::scope_of(link) : *reinterpret_cast<scope_base*>(link);
}

/// Returns   where the tasklet `root`, which runs, keeps the link to what it is inside of, and in the end to its owner: the
///           awaited coroutines that run as parts of it come before.
inline std::uintptr_t& owner_link_of(tasklet& root) noexcept {
  std::uintptr_t* link = &root.link_;
  while ((*link & 1) != 0) {
    link = &reinterpret_cast<tasklet*>(*link & ~std::uintptr_t{1})->link_;
  }
  return *link;
}

}  // namespace martlet::detail
