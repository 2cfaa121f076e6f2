#include "descriptor.hpp"

#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace {

using martlet::detail::descriptor;
using martlet::detail::descriptors;

descriptor* opened() {
  descriptor* one = descriptors().try_take();
  REQUIRE(one != nullptr);
  one->open(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  return one;
}

TEST_SUITE("descriptor") {
  TEST_CASE("an event of a closed one does not reach the next that has its record") {
    descriptor* first = opened();
    const std::uint64_t stale = first->token();
    first->close(first->generation);
    descriptor* next = opened();
    REQUIRE(next == first);
    next->in.is_ready = next->out.is_ready = false;
    descriptor::on_events(stale, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
    CHECK_FALSE(next->in.is_ready);
    CHECK_FALSE(next->out.is_ready);
    CHECK_FALSE(next->has_ended);
    descriptor::on_events(next->token(), EPOLLIN);
    CHECK(next->in.is_ready);
    CHECK_FALSE(next->out.is_ready);
    descriptor::on_events(next->token(), EPOLLHUP);
    CHECK(next->out.is_ready);
    CHECK(next->has_ended);
    next->close(next->generation);
  }

  TEST_CASE("it is closed once, by who still has its generation") {
    descriptor* d = opened();
    const std::uint32_t generation = d->generation;
    const int fd = d->fd;
    d->close(generation + 1);
    CHECK(::fcntl(fd, F_GETFD) >= 0);
    d->close(generation);
    CHECK(::fcntl(fd, F_GETFD) == -1);
    d->close(generation);
    CHECK(d->fd == -1);
  }

  TEST_CASE("records are used again before there are more") {
    std::vector<descriptor*> first;
    for (int i = 0; i < 200; ++i) {
      first.push_back(opened());
    }
    std::size_t there = 0;
    descriptors().walk([&](descriptor&) { ++there; });
    CHECK(there >= 200);
    for (descriptor* d : first) {
      d->close(d->generation);
    }
    for (descriptor*& d : first) {
      d = opened();
    }
    std::size_t now = 0;
    descriptors().walk([&](descriptor&) { ++now; });
    CHECK(now == there);
    for (descriptor* d : first) {
      d->close(d->generation);
    }
  }
}

}  // namespace
