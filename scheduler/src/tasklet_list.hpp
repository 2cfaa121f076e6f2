#pragma once

#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

/// A queue of ready tasklets that needs no memory, so that making one ready cannot fail.
///
/// Each leads to the next by its root's word: of one that is ready the address part is free, and nobody but its queue
/// changes the word of such a one (tasklet.hpp, I1). Slower than a ring, since it touches each tasklet twice.
///
/// Threads   one at a time.
class tasklet_list {
 public:
  bool empty() const noexcept { return first_ == nullptr; }

  void push_back(tasklet* who) noexcept {
    tasklet* root = who->root();
    if (last_ == nullptr) {
      first_ = root;
    } else {
      last_->word_.store(link_to(root), base::relaxed);
    }
    last_ = root;
  }

  /// Takes the oldest; there must be one.
  tasklet* pop_front() noexcept {
    tasklet* root = first_;
    if (root == last_) {
      first_ = last_ = nullptr;
    } else {
      // Whoever looks at the word meanwhile looks at the tag alone.
      first_ = reinterpret_cast<tasklet*>(root->word_.load(base::relaxed) & ~tag_mask & ~queued_mark);
      root->word_.store(tasklet::bits(tag::runnable), base::relaxed);
    }
    return root->leaf();
  }

  /// Moves all of `from` behind what is here.
  void take_over(tasklet_list& from) noexcept {
    if (from.empty()) {
      return;
    }
    if (empty()) {
      first_ = from.first_;
    } else {
      last_->word_.store(link_to(from.first_), base::relaxed);
    }
    last_ = from.last_;
    from.first_ = from.last_ = nullptr;
  }

 private:
  static std::uintptr_t link_to(tasklet* next) noexcept {
    return reinterpret_cast<std::uintptr_t>(next) | queued_mark | tasklet::bits(tag::runnable);
  }

  tasklet* first_ = nullptr;  // roots
  tasklet* last_ = nullptr;
};

}  // namespace martlet::detail
