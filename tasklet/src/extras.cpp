#include <martlet/tasklet/extras.hpp>

#include <memory>
#include <mutex>
#include <new>

#include <pthread.h>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::detail {
namespace {

// A plain thread may have some too; the system destroys them with the thread.
pthread_key_t key_of_threads() noexcept {
  static const pthread_key_t key = [] {
    pthread_key_t made{};
    if (::pthread_key_create(&made, [](void* own) { delete static_cast<extras*>(own); }) != 0) {
      base::fatal(
          "a tasklet_local was used on a plain thread, and the process has no key of thread-specific data left "
          "for it (PTHREAD_KEYS_MAX): use it in tasklets only");
    }
    return made;
  }();
  return key;
}

}  // namespace

void extras::destroy_locals() noexcept {
  while (!locals.empty()) {  // a destructor may make others
    const local last = locals.back();
    locals.pop_back();
    last.destroy(last.value);
  }
}

extras* own_extras_if_any() noexcept {
  if (tasklet* self = running_tasklet(); self != nullptr) {
    return extras_of(*self);
  }
  return static_cast<extras*>(::pthread_getspecific(key_of_threads()));
}

extras& own_extras() {
  if (extras* present = own_extras_if_any(); present != nullptr) {
    return *present;
  }
  auto made = std::make_unique<extras>();
  if (tasklet* self = running_tasklet(); self != nullptr) {
    auto& place = frames().extras_at(self->frame());
    const std::lock_guard guard(self->lock_);
    place.store(made.get(), base::relaxed);  // read under the same lock, or by the tasklet itself
    self->has_extras_ = true;
  } else if (::pthread_setspecific(key_of_threads(), made.get()) != 0) {
    throw std::bad_alloc();
  }
  return *made.release();
}

extras* extras_of(tasklet& who) noexcept {
  return who.has_extras_ ? frames().extras_at(who.frame()).load(base::relaxed) : nullptr;
}

void drop_extras(tasklet& who) noexcept {
  extras* own = extras_of(who);
  own->destroy_locals();  // they may still ask for each other, so nothing is taken away yet
  {
    const std::lock_guard guard(who.lock_);
    frames().extras_at(who.frame()).store(nullptr, base::relaxed);
    who.has_extras_ = false;
  }
  delete own;
}

}  // namespace martlet::detail
