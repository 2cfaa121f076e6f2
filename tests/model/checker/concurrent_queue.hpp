#pragma once

#include <cstddef>
#include <vector>

#include <martlet/base/atomic.hpp>

/// What base/injector.hpp uses of oneTBB in a program that the checker explores.
///
/// As there, a push takes a ticket and is then visible, a pop competes for the oldest, and nothing but this orders them:
/// who pops knows what was done before the push, and a look may find an older end than the present one. A pop in vain
/// waits for what it has missed: the injector's count has said that something is there, so somebody is about to push it,
/// or to say that it has been taken; and a worker looks again and again until then.
namespace oneapi::tbb {

template <class T, class Allocator>
class concurrent_queue {
 public:
  explicit concurrent_queue(const Allocator& from) : memory_(from) {}
  concurrent_queue(const concurrent_queue&) = delete;
  concurrent_queue& operator=(const concurrent_queue&) = delete;
  ~concurrent_queue() {
    for (T* one : pages_) {
      memory_.deallocate(one, 1);
    }
  }

  void push(T item) {
    pages_.push_back(memory_.allocate(1));
    pushed_.fetch_add(1, martlet::base::release);
    items_.push_back(item);  // in the same step
  }

  bool try_pop(T& item) {
    std::size_t at = popped_.load(martlet::base::relaxed);
    do {
      if (pushed_.load(martlet::base::acquire) <= at) {
        martlet::base::cpu_pause();
        return false;
      }
    } while (!popped_.compare_exchange_strong(at, at + 1, martlet::base::relaxed));
    item = items_[at];
    return true;
  }

 private:
  martlet::base::atomic<std::size_t> pushed_{0};
  martlet::base::atomic<std::size_t> popped_{0};
  std::vector<T> items_;
  Allocator memory_;
  std::vector<T*> pages_;
};

}  // namespace oneapi::tbb
