#include "descriptor.hpp"

#include <cerrno>
#include <memory>
#include <mutex>
#include <new>

#include <sys/epoll.h>

#include <martlet/base/virtual_time.hpp>

#include "epoll_set.hpp"
#include "system_calls.hpp"

namespace martlet::detail {
namespace {

constinit descriptor_pool all_descriptors;

}  // namespace

descriptor_pool& descriptors() noexcept { return all_descriptors; }

descriptor* descriptor_pool::try_take() noexcept {
  lock_.lock();
  descriptor* d = free_;
  if (d != nullptr) {
    free_ = d->next_free;
    lock_.unlock();
  } else {
    lock_.unlock();
    auto* fresh = new (std::nothrow) block{};
    if (fresh == nullptr) {
      return nullptr;
    }
    d = &fresh->items[0];
    for (std::size_t i = 2; i < std::size(fresh->items); ++i) {
      fresh->items[i - 1].next_free = &fresh->items[i];
    }
    const std::lock_guard guard(lock_);
    fresh->items[std::size(fresh->items) - 1].next_free = free_;
    free_ = &fresh->items[1];
    fresh->older = blocks_.load(base::relaxed);
    blocks_.store(fresh, base::release);  // [descriptors.publish]
  }
  return d;
}

void descriptor::open(int number) noexcept {
  const std::scoped_lock guard(in.lock_, out.lock_);  // against a stale event that looks at it just now
  fd = number;
  in.is_ready = out.is_ready = true;
  has_ended = false;
}

void descriptor_pool::give_back(descriptor* unused) noexcept {
  const std::lock_guard guard(lock_);
  unused->next_free = free_;
  free_ = unused;
}

void descriptor_pool::forget_homes() noexcept {
  walk([](descriptor& d) {
    for (direction* way : {&d.in, &d.out}) {
      way->lock_.unlock();               // whoever held it in the parent does not exist here
      std::construct_at(&way->waiting);  // and nobody waits
    }
    d.home_lock.unlock();
    d.home = nullptr;
  });
}

void descriptor::on_events(std::uint64_t token, std::uint32_t events) noexcept {
  auto* d = reinterpret_cast<descriptor*>(token & ((std::uint64_t{1} << generation_shift) - 1));
  const auto is_stale = [&] { return d->token() != token; };
  wait_node* chain = nullptr;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    const std::lock_guard guard(d->in.lock_);
    if (is_stale()) {
      return;
    }
    d->has_ended = d->has_ended || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    d->in.is_ready = true;
    chain = d->serve(d->in, chain);
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    const std::lock_guard guard(d->out.lock_);
    if (!is_stale()) {
      d->out.is_ready = true;
      chain = d->serve(d->out, chain);
    }
  }
  make_ready(chain);
}

// Lets those who wait try, the oldest first, until one would block. The direction is locked.
//
// Returns   the ended waits, chained by `prev`.
wait_node* descriptor::serve(direction& d, wait_node* chain) noexcept {
  while (wait_node* node = d.waiting.front()) {
    auto& wait = static_cast<socket_wait&>(*node);
    const auto word = wait.owner->root()->word_.load(base::relaxed);  // published under this lock
    const bool is_alone = word == tasklet::parked_on(d);  // then nobody can end the wait while we hold the lock
    if (!is_alone && tasklet::tag_of(word) != tag::select) {
      wait_list::unlink(wait);  // cancelled, or done by another case
      continue;
    }
    if (is_alone || wait.makes_progress_ || wait.trusts_events_) {
      if (!wait.trusts_events_ && !wait.attempt_(wait, fd)) {
        d.is_ready = false;
        break;
      }
      wait_list::unlink(wait);
      if (!claim(wait.owner, d)) {
        continue;
      }
    } else {
      // A select must not be claimed for less: nobody could put it back.
      if (!calls::is_ready(fd, &d == &in ? POLLIN : POLLOUT)) {
        d.is_ready = false;
        break;
      }
      wait_list::unlink(wait);
      if (!claim(wait.owner, d)) {
        continue;
      }
      if (!wait.attempt_(wait, fd)) {
        wait.error_ = EAGAIN;  // somebody else uses the descriptor behind our back
      }
    }
    if (wait.is_short_ && !has_ended) {
      d.is_ready = false;
    }
    wait.prev = chain;
    chain = &wait;
  }
  return chain;
}

void descriptor::make_ready(wait_node* chain) noexcept {
  host* here = chain != nullptr ? current_host() : nullptr;
  while (chain != nullptr) {
    wait_node* next = chain->prev;
    ready(complete(*chain), here, turn::last);  // the operation may be gone after this
    chain = next;
  }
}

int descriptor::register_here() noexcept {
  const std::lock_guard guard(home_lock);
  if (home != nullptr && (home->is_of_worker() || current_host() == nullptr)) [[likely]] {
    return 0;
  }
  if (calls::is_simulated(fd)) {
    calls::simulated::watch(fd, token());
    return 0;
  }
  if (base::virtual_time::here() != nullptr) {
    return socket_wait::error_unsimulated;
  }
  epoll_set* here = epoll_set::of_this_thread();
  if (here == nullptr) {
    return ENOMEM;
  }
  if (home != nullptr) {
    home->remove(fd);
    home = nullptr;
  }
  const int error = here->add(fd, token());
  if (error == 0) {
    home = here;
  }
  return error;
}

void descriptor::move_home(epoll_set& from, epoll_set& to) noexcept {
  const std::scoped_lock guard(in.lock_, out.lock_, home_lock);
  if (home == &from) {
    from.remove(fd);
    home = to.add(fd, token()) == 0 ? &to : nullptr;  // what is ready already is told again
  }
}

void descriptor::close(std::uint32_t expected) noexcept {
  wait_node* chain = nullptr;
  int closing = -1;
  {
    const std::scoped_lock guard(in.lock_, out.lock_);
    if (generation.load(base::relaxed) != expected) {
      return;
    }
    generation.store(expected + 1, base::relaxed);  // all who rely on it look under a lock
    closing = std::exchange(fd, -1);
    for (direction* d : {&in, &out}) {
      while (wait_node* node = d->waiting.front()) {
        auto& wait = static_cast<socket_wait&>(*node);
        wait_list::unlink(wait);
        if (claim(wait.owner, *d)) {
          wait.error_ = socket_wait::error_closed;
          wait.prev = chain;
          chain = &wait;
        }
      }
    }
  }
  {
    // Taken out before it is closed: a child of fork may have the descriptor too, and would keep its events coming.
    const std::lock_guard guard(home_lock);
    if (home != nullptr) {
      home->remove(closing);
      home = nullptr;
    }
  }
  calls::close(closing);
  all_descriptors.give_back(this);
  make_ready(chain);
}

// ---- the operations' half

namespace {

// What operations on a closed socket lock. Never destroyed, and not on the heap, which may have no memory left for it.
direction& nowhere() noexcept {
  alignas(direction) static std::byte place[sizeof(direction)];
  static direction& one = *new (place) direction;
  return one;
}

}  // namespace

socket_wait::socket_wait(const socket& on, const toward& where, attempt_function& attempt) noexcept
    : core_(&nowhere()), at_(on.at_), generation_(on.generation_), attempt_(&attempt) {
  if (at_ != nullptr) {
    core_ = &at_->at(where);
  }
}

bool socket_wait::try_now(tasklet*&) noexcept {
  if (at_ == nullptr || at_->generation.load(base::relaxed) != generation_) [[unlikely]] {
    error_ = error_closed;
    return true;
  }
  auto& d = static_cast<direction&>(*core_);
  if (d.is_ready) {  // so nobody waits (I1)
    if (attempt_(*this, at_->fd)) {
      if (is_short_ && !at_->has_ended) {
        d.is_ready = false;
      }
      return true;
    }
    d.is_ready = false;
  }
  error_ = at_->register_here();
  return error_ != 0;
}

void socket_wait::link() noexcept { static_cast<direction&>(*core_).waiting.push_back(*this); }

}  // namespace martlet::detail
