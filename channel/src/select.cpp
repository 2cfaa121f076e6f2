#include <martlet/channel/select.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace martlet::detail {
namespace {

// How many locks a select lets go of without allocating: their list has to be copied out of the operation first.
constexpr std::size_t copied_in_place = 32;

// A plain thread has no generator of its own, so it mixes the time, whose low bits alone follow the rhythm of the code
// around them. Source: the finalizer of SplitMix64; Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
std::size_t random_on_thread() noexcept {
  auto mixed = static_cast<std::uint64_t>(base::now());
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

}  // namespace

void select_wait::lock_all() noexcept {
  std::size_t count = 0;
  for (const select_case& c : cases_) {
    if (c.core != nullptr) {
      cores_[count++] = c.core;
    }
  }
  std::sort(cores_.begin(), cores_.begin() + static_cast<std::ptrdiff_t>(count));
  const auto end = std::unique(cores_.begin(), cores_.begin() + static_cast<std::ptrdiff_t>(count));
  cores_ = cores_.first(static_cast<std::size_t>(end - cores_.begin()));
  for (wait_core* core : cores_) {
    core->lock_.lock();
  }
}

void select_wait::unlock_all(std::span<wait_core* const> cores) noexcept {
  for (wait_core* core : cores) {
    core->lock_.unlock();
  }
}

bool select_wait::try_all(tasklet& root, tasklet*& wake) {
  const std::size_t count = cases_.size();
  host* here = root.kind_ == kind::thread ? nullptr : root.at();
  const std::size_t from = here == nullptr ? random_on_thread() : here->random();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = (from + i) % count;
    if (cases_[index].core != nullptr && cases_[index].try_now(cases_[index].node, wake)) {
      done_ = index;
      return true;
    }
  }
  base::instant now = 0;
  for (std::size_t index = 0; index < count; ++index) {
    if (cases_[index].core != nullptr) {
      continue;
    }
    auto* timer = static_cast<timer_node*>(cases_[index].node);
    now = now == 0 ? base::now() : now;
    if (timer->due <= now) {
      done_ = index;
      return true;
    }
    if (timer_ == nullptr || timer->due < timer_->due) {
      timer_ = timer;
    }
  }
  return false;
}

bool select_wait::prepare(waiter who) {
  tasklet* root = who.root;
  if (root->is_cancelled()) {
    return false;
  }
  if (cores_.size() > copied_in_place) {
    many_.reserve(cores_.size());  // here, where it may fail
  }
  lock_all();
  tasklet* wake = nullptr;
  if (try_all(*root, wake)) {
    cases_[done_].node->owner = nullptr;
    unlock_all(cores_);
    if (wake != nullptr) {
      ready(wake, root->at());
    }
    return false;
  }
  for (select_case& c : cases_) {
    c.node->owner = who.leaf;
    if (c.core == root) [[unlikely]] {
      refuse_join_of_itself();
    }
    if (c.core != nullptr) {
      c.link(c.node);
    }
  }
  root_ = root;
  return true;
}

// The word says "select" only now that a fiber has left its stack: from then on a canceller, who needs no lock of ours, may
// claim the wait. It ends no sooner than we let go of the last core, or of the wheel when there is no core, since `finish`
// takes them all; after that the operation may be gone, so what is unlocked is copied first.
bool select_wait::publish() noexcept {
  std::array<wait_core*, copied_in_place> few;
  std::vector<wait_core*> many = std::move(many_);
  std::span<wait_core*> cores(few.data(), cores_.size());
  if (cores_.size() > copied_in_place) {
    many.resize(cores_.size());  // there is room
    cores = many;
  }
  std::copy(cores_.begin(), cores_.end(), cores.begin());
  wait_core* wheel = timer_ != nullptr ? arm_timer(*timer_) : nullptr;
  tasklet* root = root_;
  root->word_.store(tasklet::bits(tag::select), base::release);  // [word.park] [cancel.look]
  base::light_fence();
  bool waits = true;
  if (root->is_cancelled()) [[unlikely]] {  // [cancel.look]
    auto word = tasklet::bits(tag::select);
    waits = !root->word_.compare_exchange_strong(word, tasklet::bits(tag::runnable), base::relaxed);  // [select.claim]
  }
  if (wheel != nullptr) {
    wheel->lock_.unlock();
  }
  unlock_all(cores);
  return waits;
}

std::size_t select_wait::finish() {
  if (done_ != none) {
    return done_;
  }
  if (root_ == nullptr) {
    throw cancelled();
  }
  for (std::size_t index = 0; index < cases_.size(); ++index) {
    select_case& c = cases_[index];
    if (c.node->owner == nullptr) {
      done_ = index;
    } else if (c.core != nullptr) {
      c.withdraw(c.node);
    }
  }
  if (timer_ != nullptr) {
    disarm_timer(*timer_);
  }
  if (done_ == none) {
    throw cancelled();
  }
  return done_;
}

}  // namespace martlet::detail
