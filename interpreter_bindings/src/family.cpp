#include "family.hpp"

#include "handle.hpp"

namespace martlet::python {

void family::adopt(tasklet_frame& child) noexcept {
  const std::lock_guard guard(core_.lock_);
  child.family_ = this;
  child.next_sibling_ = children_;
  if (children_ != nullptr) {
    children_->previous_sibling_ = &child;
  }
  children_ = &child;
  ++open_;
  if (stopping_) {
    child.record_.cancel_.store(detail::cancel::from_the_start, base::relaxed);  // nobody runs it yet
  }
}

void family::leave(tasklet_frame& child, detail::host* here) noexcept {
  detail::wait_node* ended = nullptr;
  core_.lock_.lock();
  if (child.previous_sibling_ != nullptr) {
    child.previous_sibling_->next_sibling_ = child.next_sibling_;
  } else {
    children_ = child.next_sibling_;
  }
  if (child.next_sibling_ != nullptr) {
    child.next_sibling_->previous_sibling_ = child.previous_sibling_;
  }
  if (--open_ == 0) {
    while (detail::wait_node* node = core_.waiters.front()) {
      detail::wait_list::unlink(*node);
      if (detail::claim(node->owner, core_)) {
        node->prev = ended;
        ended = node;
      }
    }
  }
  core_.lock_.unlock();  // the last touch: whoever waits may end the family now
  while (ended != nullptr) {
    detail::wait_node* next = ended->prev;
    detail::ready(detail::complete(*ended), here);
    ended = next;
  }
}

void family::begin_stop(std::vector<object>& found, const tasklet_frame* except) {
  {
    const std::lock_guard guard(core_.lock_);
    stopping_ = true;
  }
  collect(found, except);
}

bool family::has_queued(const detail::host& there) noexcept {
  const std::lock_guard guard(core_.lock_);
  for (const tasklet_frame* child = children_; child != nullptr; child = child->next_sibling_) {
    if (detail::status_of(child->record_) == status::queued && child->record_.at() == &there) {
      return true;
    }
  }
  return false;
}

void family::collect(std::vector<object>& found, const tasklet_frame* except) {
  for (bool is_complete = false; !is_complete;) {
    core_.lock_.lock();
    const std::size_t count = open_;
    core_.lock_.unlock();
    found.reserve(found.size() + count + 16);  // before the lock: others spin on it
    core_.lock_.lock();
    is_complete = found.size() + open_ <= found.capacity();
    for (tasklet_frame* child = children_; is_complete && child != nullptr; child = child->next_sibling_) {
      if (child != except) {
        found.push_back(object::share(reinterpret_cast<PyObject*>(child->self_)));
      }
    }
    core_.lock_.unlock();
  }
}

void family::ask_all(const std::vector<object>& handles) {
  for (const object& handle : handles) {
    ask_to_stop(*reinterpret_cast<handle_object*>(handle.get())->frame);
  }
}

void family::keep_error(PyObject* error, bool& first) {
  object kept = object::share(error);
  const std::lock_guard guard(core_.lock_);
  first = errors_.empty();
  errors_.push_back(std::move(kept));
}

std::vector<object> family::take_errors() {
  const std::lock_guard guard(core_.lock_);
  return std::exchange(errors_, {});
}

bool family::is_empty() noexcept {
  const std::lock_guard guard(core_.lock_);
  return open_ == 0;
}

// ---- waiting for it

bool family_wait::prepare(detail::tasklet* who) {
  family_.core_.lock_.lock();
  if (family_.open_ == 0) {
    family_.core_.lock_.unlock();
    return false;
  }
  node_.owner = who;
  family_.core_.waiters.push_back(node_);
  return true;
}

// Marked as a select, which a cancel claims by compare-exchange (then it waits again), and marked only now, when a function
// tasklet has left its stack: a canceller needs no lock of ours.
bool family_wait::publish() noexcept {
  family& of = family_;
  node_.owner->root()->word_.store(detail::tasklet::bits(detail::tag::select), base::release);  // [word.park]
  of.core_.lock_.unlock();
  return true;
}

bool family_wait::is_over(detail::tasklet*) {
  const std::lock_guard guard(family_.core_.lock_);
  if (node_.is_linked()) {
    detail::wait_list::unlink(node_);
  }
  return family_.open_ == 0;
}

}  // namespace martlet::python
