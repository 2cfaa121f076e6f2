#include <martlet/tasklet/failure.hpp>

#include <cstdio>
#include <mutex>

#include <martlet/base/fork.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/outcome.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {
namespace {

constinit base::spin_lock listeners_lock;
constinit failure_listener* first_listener = nullptr;

// The parent's schedulers are no schedulers in a child.
constinit base::fork_hook hook{.order = 10,
                               .before = []() noexcept { listeners_lock.lock(); },
                               .in_parent = []() noexcept { listeners_lock.unlock(); },
                               .in_child =
                                   []() noexcept {
                                     first_listener = nullptr;
                                     listeners_lock.unlock();
                                   }};

}  // namespace

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const cancelled&) {
    return true;
  } catch (...) {
    return false;
  }
}

bool has_stopped(const tasklet& who, const std::exception_ptr& error) {
  return (who.cancel_.load(base::relaxed) & cancel::asked) != 0 &&
         is_cancellation(error);  // it is over: nobody asks any more
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    std::string text = e.what();
    base::tsan_done_with(address_of(error));
    return text;
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

bool failure_listener::somebody_listens() noexcept {
  const std::lock_guard guard(listeners_lock);
  return first_listener != nullptr;
}

void failure_listener::begin_listening() noexcept {
  base::register_fork_hook(hook);
  const std::lock_guard guard(listeners_lock);
  next_ = std::exchange(first_listener, this);
}

void failure_listener::end_listening() noexcept {
  const std::lock_guard guard(listeners_lock);
  for (failure_listener** at = &first_listener; *at != nullptr; at = &(*at)->next_) {
    if (*at == this) {
      *at = next_;
      return;
    }
  }
}

void failure_listener::tell(const host* there, const std::exception_ptr& error, site spawned_at) noexcept {
  std::shared_ptr<const hears> how;
  {
    const std::lock_guard guard(listeners_lock);
    for (failure_listener* one = first_listener; one != nullptr; one = one->next_) {
      if (one->owns(there)) {
        how = one->how_;  // called without the lock: it is the user's code
        break;
      }
    }
  }
  report(how != nullptr ? *how : hears(), error, spawned_at);
}

void failure_listener::report(const hears& how, const std::exception_ptr& error, site spawned_at) noexcept {
  if (how) {
    how(error, spawned_at);
    return;
  }
  const std::string line =
      "martlet: a tasklet spawned at " + spawned_at.text() + " failed and nobody joined it: " + text_of(error) + '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace martlet::detail
