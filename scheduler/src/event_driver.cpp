#include "event_driver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace martlet::detail {

event_driver::event_driver() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (event_ < 0) {
    throw std::system_error(errno, std::generic_category(), "martlet: no eventfd could be made for a guest");
  }
}

event_driver::~event_driver() { ::close(event_); }

// Emptied before `told_` is taken back: who notifies in between has been heard, since the caller looks into the queues
// now; who does it later writes again.
void event_driver::wait(base::instant deadline) {
  constexpr base::instant second = 1'000'000'000;
  const base::instant left = deadline == base::never ? 0 : deadline - base::now();
  if (deadline == base::never || left > 0) {
    const timespec limit{.tv_sec = static_cast<time_t>(left / second), .tv_nsec = static_cast<long>(left % second)};
    pollfd one{.fd = event_, .events = POLLIN, .revents = 0};
    static_cast<void>(::ppoll(&one, 1, deadline == base::never ? nullptr : &limit, nullptr));
  }
  // Always: a notifier that was held up between its exchange and its write may write after `told_` was taken back.
  std::uint64_t times = 0;
  static_cast<void>(!::read(event_, &times, sizeof times));
  static_cast<void>(told_.exchange(false, base::acquire));  // [event.notify]
}

void event_driver::notify() noexcept {
  if (!told_.exchange(true, base::release)) {  // [event.notify]
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event_, &one, sizeof one));
  }
}

}  // namespace martlet::detail
