#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <martlet/base/check.hpp>
#include <martlet/channel/errors.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

template <class T>
class channel;

namespace detail {

template <class T>
class send_operation;
template <class T>
class receive_operation;

/// What a channel is made of, whatever it carries.
///
/// Invariants, under the lock: I1 of senders and receivers that still wait at least one kind is absent; I2 a receiver
/// waits only while the buffer is empty, a sender only while it is full; I3 nobody waits in a closed channel.
struct channel_core : wait_core {
  explicit channel_core(std::size_t room) noexcept : wait_core(keep_lock{}, kind::channel), capacity(room) {}
  ~channel_core() {}

  /// Makes nobody wait any more.
  void close() noexcept;

  bool is_closed = false;
  word_of_slot word;
  void* buffer = nullptr;
  wait_list senders;
  wait_list receivers;
  std::size_t sender_count = 0;
  std::size_t receiver_count = 0;
  const std::size_t capacity;
  std::size_t first = 0;
  std::size_t count = 0;
};

/// Lets whoever walks the slabs know a channel's core from a free slot: in a child of fork nobody waits in it any more.
void mark_as_channel(void* slot) noexcept;
inline void unmark_channel(void* slot) noexcept { static_cast<void**>(slot)[1] = nullptr; }

/// A wait in a channel.
struct channel_wait : wait_node {
  explicit channel_wait(channel_core& in) noexcept : channel(&in) {}

  channel_core* channel;  // null once it was found closed (and empty)
};

/// Takes the oldest wait of `list` that nobody else has ended; its node is the caller's to complete.
template <class Operation>
Operation* claim_oldest(wait_list& list, std::size_t& count, wait_core& core) noexcept {
  while (wait_node* node = list.front()) {
    wait_list::unlink(*node);
    --count;
    if (claim(node->owner, core)) [[likely]] {
      return static_cast<Operation*>(node);
    }
  }
  return nullptr;
}

/// `channel::send`. Keeps the value until it is taken; after `channel_closed` it is still there.
template <class T>
class [[nodiscard("await it")]] send_operation final : public case_operation<send_operation<T>, channel_wait> {
 public:
  send_operation(channel_core& core, T&& value) noexcept
      : case_operation<send_operation, channel_wait>(core), value_(std::move(value)) {}

  /// Returns   the value that was not sent.
  T& value() noexcept { return value_; }

  wait_core& core() noexcept { return *this->channel; }
  bool try_now(tasklet*& wake) noexcept;
  void link() noexcept {
    this->channel->senders.push_back(*this);
    ++this->channel->sender_count;
  }
  void unlink() noexcept {
    wait_list::unlink(*this);
    --this->channel->sender_count;
  }
  void result() const {
    if (this->channel == nullptr) {
      throw channel_closed();
    }
  }

 private:
  friend class receive_operation<T>;
  friend class martlet::channel<T>;

  T value_;
};

/// `channel::receive`.
template <class T>
class [[nodiscard("await it")]] receive_operation final : public case_operation<receive_operation<T>, channel_wait> {
 public:
  explicit receive_operation(channel_core& core) noexcept : case_operation<receive_operation, channel_wait>(core) {}
  receive_operation(receive_operation&& other) noexcept
      : case_operation<receive_operation, channel_wait>(std::move(other)) {}
  ~receive_operation() {
    if (has_value()) {
      std::destroy_at(&value_);
    }
  }

  wait_core& core() noexcept { return *this->channel; }
  bool try_now(tasklet*& wake) noexcept;
  void link() noexcept {
    this->channel->receivers.push_back(*this);
    ++this->channel->receiver_count;
  }
  void unlink() noexcept {
    wait_list::unlink(*this);
    --this->channel->receiver_count;
  }
  std::optional<T> result() { return has_value() ? std::optional<T>(std::move(value_)) : std::nullopt; }

 private:
  friend class send_operation<T>;
  friend class martlet::channel<T>;

  bool has_value() const noexcept { return this->owner == nullptr && this->channel != nullptr; }

  union {
    T value_;
  };
};

}  // namespace detail

/// Carries values from tasklet to tasklet, and with them the tasklets from core to core.
///
/// With capacity 0 a sender and a receiver meet, and the value moves once, from one frame into the other; with more
/// there is room for values nobody waits for yet. Any number of senders and receivers of every kind (stackless,
/// stackful, plain threads) may use one channel; both sides are served in the order in which they came.
///
/// ```cpp
/// martlet::channel<std::string> lines(16);
/// co_await lines.send("one");
/// lines.close();
/// while (auto line = co_await lines.receive()) { ... }   // ends when closed and empty
/// for (std::string line : lines) { ... }                 // the same, in a fiber or on a thread
/// ```
///
/// `T` moves without throwing. Moving it, and destroying what a value in the buffer was moved from, is the only code of
/// yours that runs under the channel's lock, besides what `visit` is given: it must not use the channel. Destroy a channel
/// when nobody waits in it; otherwise the program is stopped.
///
/// Threads   any.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "a channel moves its values while it is locked: T must move "
                "without throwing (send a std::unique_ptr to it)");
  static_assert(alignof(T) <= 16, "a channel carries values aligned to at most 16 bytes (send a std::unique_ptr)");

 public:
  using value_type = T;

  /// Takes     how many values it holds that nobody has received yet.
  /// Throws    std::bad_alloc.
  explicit channel(std::size_t capacity = 0) : core_(capacity) {
    if (capacity != 0) {
      core_->buffer = std::allocator<T>().allocate(capacity);
    }
    detail::mark_as_channel(slot());
  }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() {
    if (core_->sender_count + core_->receiver_count != 0) {
      base::fatal("a channel was destroyed while ", core_->sender_count + core_->receiver_count,
                  " tasklets waited in it: close it and let them end first");
    }
    T* values = static_cast<T*>(core_->buffer);
    for (; core_->count != 0; --core_->count) {
      std::destroy_at(values + core_->first);
      core_->first = core_->first + 1 == core_->capacity ? 0 : core_->first + 1;
    }
    if (values != nullptr) {
      std::allocator<T>().deallocate(values, core_->capacity);
    }
    detail::unmark_channel(slot());
  }

  /// Sends a value.
  ///
  /// Throws    channel_closed; the value is then still in the operation (`value()`). cancelled.
  /// Suspends  while there is neither a receiver nor room; resumed by the worker of the receiver.
  /// Cost      a round trip of two tasklets on one worker about 50 ns.
  detail::send_operation<T> send(T value) noexcept { return {*core_, std::move(value)}; }

  /// Receives the next value.
  ///
  /// Returns   std::optional<T>, empty when the channel is closed and nothing is left in it.
  /// Throws    cancelled.
  /// Suspends  while there is nothing to receive; resumed by the worker of the sender.
  detail::receive_operation<T> receive() noexcept { return detail::receive_operation<T>(*core_); }

  /// Sends without waiting.
  ///
  /// Returns   done, and `value` is moved from; else would_wait or closed, and it is untouched.
  try_status try_send(T& value) noexcept;

  /// Receives without waiting.
  ///
  /// Returns   done, and `into` has the value; closed when there will never be one again; else would_wait.
  try_status try_receive(T& into) noexcept;

  /// Ends the sending: every waiting sender throws channel_closed, every receiver gets what is left and then nothing.
  /// Closing twice is allowed. Never suspends.
  void close() noexcept { core_->close(); }

  bool is_closed() const noexcept {
    const std::lock_guard guard(core_->lock_);
    return core_->is_closed;
  }

  std::size_t capacity() const noexcept { return core_->capacity; }

  /// Returns   how many senders wait, and values in the buffer, or minus how many receivers wait.
  std::ptrdiff_t balance() const noexcept {
    const std::lock_guard guard(core_->lock_);
    return static_cast<std::ptrdiff_t>(core_->sender_count + core_->count) -
           static_cast<std::ptrdiff_t>(core_->receiver_count);
  }

  /// Shows each value that lies in the buffer to `see`, the oldest first, while the channel is locked: for garbage
  /// collectors, which have to know what a channel keeps alive. `see` must not use the channel. Never suspends.
  template <class See>
  void visit(See see) const {
    const std::lock_guard guard(core_->lock_);
    const T* values = static_cast<const T*>(core_->buffer);
    for (std::size_t i = 0; i < core_->count; ++i) {
      see(values[(core_->first + i) % core_->capacity]);
    }
  }

  /// Iterates over what is received, in a fiber or on a thread, until the channel is closed and empty.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    explicit iterator(channel& from) : from_(&from) { ++*this; }
    T& operator*() noexcept { return *value_; }
    iterator& operator++() {
      value_ = martlet::await(from_->receive());
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return !i.value_.has_value(); }

   private:
    channel* from_;
    std::optional<T> value_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void* slot() const noexcept { return reinterpret_cast<std::byte*>(&*core_) - detail::tasklet::frame_offset; }

  detail::core_slot<detail::channel_core> core_;
};

}  // namespace martlet

#include <martlet/channel/transfer.hpp>
