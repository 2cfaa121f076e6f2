#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include <martlet/channel/channel.hpp>

/// How a value gets from a sender to a receiver. A part of channel.hpp.
namespace martlet {

namespace detail {

template <class T>
void push_to_buffer(channel_core& core, T&& value) noexcept {
  std::size_t last = core.first + core.count;
  last = last >= core.capacity ? last - core.capacity : last;
  std::construct_at(static_cast<T*>(core.buffer) + last, std::move(value));
  ++core.count;
}

template <class T>
void pop_from_buffer(channel_core& core, T* into) noexcept {
  T* oldest = static_cast<T*>(core.buffer) + core.first;
  std::construct_at(into, std::move(*oldest));
  std::destroy_at(oldest);
  core.first = core.first + 1 == core.capacity ? 0 : core.first + 1;
  --core.count;
}

template <class T>
bool send_operation<T>::try_now(tasklet*& wake) noexcept {
  channel_core& core = *this->channel;
  if (core.is_closed) [[unlikely]] {
    this->channel = nullptr;
    return true;
  }
  if (auto* receiver = claim_oldest<receive_operation<T>>(core.receivers, core.receiver_count, core)) {
    std::construct_at(&receiver->value_, std::move(value_));
    wake = complete(*receiver);
    return true;
  }
  if (core.count < core.capacity) {
    push_to_buffer(core, std::move(value_));
    return true;
  }
  return false;
}

template <class T>
bool receive_operation<T>::try_now(tasklet*& wake) noexcept {
  channel_core& core = *this->channel;
  if (core.count != 0) {
    pop_from_buffer(core, &value_);
    if (auto* sender = claim_oldest<send_operation<T>>(core.senders, core.sender_count, core)) {
      push_to_buffer(core, std::move(sender->value_));
      wake = complete(*sender);
    }
    return true;
  }
  if (auto* sender = claim_oldest<send_operation<T>>(core.senders, core.sender_count, core)) {
    std::construct_at(&value_, std::move(sender->value_));
    wake = complete(*sender);
    return true;
  }
  if (core.is_closed) {
    this->channel = nullptr;
    return true;
  }
  return false;
}

}  // namespace detail

template <class T>
try_status channel<T>::try_send(T& value) noexcept {
  detail::send_operation<T> op(*core_, std::move(value));
  detail::tasklet* wake = nullptr;
  core_->lock_.lock();
  const bool done = op.try_now(wake);
  core_->lock_.unlock();
  if (!done || op.channel == nullptr) {
    std::destroy_at(&value);
    std::construct_at(&value, std::move(op.value_));
    return done ? try_status::closed : try_status::would_wait;
  }
  if (wake != nullptr) {
    detail::ready(wake, detail::current_host());
  }
  return try_status::done;
}

template <class T>
try_status channel<T>::try_receive(T& into) noexcept {
  detail::receive_operation<T> op(*core_);
  detail::tasklet* wake = nullptr;
  core_->lock_.lock();
  const bool done = op.try_now(wake);
  if (done) {
    op.owner = nullptr;
  }
  core_->lock_.unlock();
  if (wake != nullptr) {
    detail::ready(wake, detail::current_host());
  }
  if (!done) {
    return try_status::would_wait;
  }
  if (!op.has_value()) {
    return try_status::closed;
  }
  std::destroy_at(&into);
  std::construct_at(&into, std::move(op.value_));
  return try_status::done;
}

}  // namespace martlet
