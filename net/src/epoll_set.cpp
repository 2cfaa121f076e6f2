#include "epoll_set.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <mutex>
#include <thread>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <martlet/base/fork.hpp>
#include <martlet/base/signals.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/scheduler/driver.hpp>
#include <martlet/tasklet/host.hpp>

#include "descriptor.hpp"
#include "reactor.hpp"

namespace martlet::detail {
namespace {

constexpr std::size_t batch = 256;
constexpr std::uint64_t interrupt_token = 0;

// Waits with the precision of nanoseconds; kernels before 5.11 know milliseconds only, and wake late rather than early.
int wait_for_events(int epoll, epoll_event* events, base::instant deadline) noexcept {
  constexpr base::instant second = 1'000'000'000;
  const base::instant left = deadline == base::never ? 0 : std::max<base::instant>(0, deadline - base::now());
  const timespec limit{.tv_sec = static_cast<time_t>(left / second), .tv_nsec = static_cast<long>(left % second)};
  const int count = ::epoll_pwait2(epoll, events, batch, deadline == base::never ? nullptr : &limit, nullptr);
  if (count >= 0 || errno != ENOSYS) {
    return count;
  }
  const base::instant milliseconds = std::min<base::instant>((left + 999'999) / 1'000'000, 1'000'000);
  return ::epoll_wait(epoll, events, batch, deadline == base::never ? -1 : static_cast<int>(milliseconds));
}

// The set of all plain threads; made when the first of them waits, never destroyed.
constinit base::atomic<epoll_set*> of_plain_threads{nullptr};

constinit base::spin_lock making;  // of the set of plain threads

// A child of fork has none of our threads, and shares its epolls with the parent: it begins anew, and must not take
// the parent's descriptors out of them.
constinit base::fork_hook epoll_hook{.order = 20,
                                     .before =
                                         []() noexcept {
                                           making.lock();
                                           descriptors().hold();
                                         },
                                     .in_parent =
                                         []() noexcept {
                                           descriptors().let_go();
                                           making.unlock();
                                         },
                                     .in_child =
                                         []() noexcept {
                                           of_plain_threads.store(nullptr, base::relaxed);  // nobody else runs here
                                           descriptors().forget_homes();
                                           descriptors().let_go();
                                           making.unlock();
                                         }};

// Its thread is never ended: others may wait while the process ends.
void serve_plain_threads(epoll_set& set) {
  const base::signals_blocked quiet;
  std::thread([&set] {
    for (;;) {
      set.harvest(base::never);
    }
  }).detach();
}

epoll_set& set_of_plain_threads() {
  epoll_set* present = of_plain_threads.load(base::acquire);  // [plain.publish]
  if (present == nullptr) {
    const std::lock_guard guard(making);
    present = of_plain_threads.load(base::relaxed);  // only stored under this lock
    if (present == nullptr) {
      auto made = std::make_unique<epoll_set>(false);
      serve_plain_threads(*made);
      present = made.release();
      of_plain_threads.store(present, base::release);  // [plain.publish]
    }
  }
  return *present;
}

}  // namespace

epoll_set::epoll_set(bool is_of_worker)
    : is_of_worker_(is_of_worker),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      interrupts_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = interrupt_token}};
  if (epoll_ < 0 || interrupts_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, interrupts_, &event) != 0) {
    const int error = errno;
    ::close(epoll_);
    ::close(interrupts_);
    throw_system_error(error, "no epoll could be made for a worker's sockets; it needs two descriptors");
  }
}

epoll_set::~epoll_set() {
  ::close(interrupts_);
  ::close(epoll_);
}

epoll_set* epoll_set::of_this_thread() noexcept {
  try {
    base::register_fork_hook(epoll_hook);
    host* here = current_host();
    if (here == nullptr) {
      return &set_of_plain_threads();
    }
    auto* present = dynamic_cast<reactor*>(&driver_of(*here));
    if (present == nullptr) {
      auto made = std::make_unique<reactor>(*here);
      present = made.get();
      install_driver(*here, std::move(made));
    }
    return &present->set();
  } catch (...) {
    return nullptr;
  }
}

int epoll_set::add(int fd, std::uint64_t token) noexcept {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = token}};
  count_.fetch_add(1, base::release);  // [epoll.add]
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    count_.fetch_sub(1, base::relaxed);
    return error;
  }
  return 0;
}

void epoll_set::remove(int fd) noexcept {
  epoll_event ignored{};
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &ignored);
  count_.fetch_sub(1, base::relaxed);  // the token of a removed one may still come: descriptor.hpp, I3
}

bool epoll_set::harvest(base::instant deadline) noexcept {
  std::array<epoll_event, batch> events;
  const int count = wait_for_events(epoll_, events.data(), deadline);
  static_cast<void>(count_.load(base::acquire));  // [epoll.add] the kernel orders it too, but no checker knows that
  bool was_interrupted = false;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t token = events[static_cast<std::size_t>(i)].data.u64;
    if (token == interrupt_token) {
      was_interrupted = true;
    } else {
      descriptor::on_events(token, events[static_cast<std::size_t>(i)].events);
    }
  }
  return was_interrupted;
}

void epoll_set::interrupt() noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(interrupts_, &one, sizeof one));
}

}  // namespace martlet::detail
