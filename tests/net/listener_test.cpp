#include <martlet/net/listener.hpp>

#include <chrono>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;

TEST_SUITE("listener") {
  TEST_CASE("it says which port the system chose") {
    listener door(endpoint::localhost(0));
    CHECK(door.local_endpoint().port() != 0);
    CHECK(door.is_open());
    CHECK(door.native_handle() >= 0);
  }

  TEST_CASE("an address in use is refused with one clear sentence") {
    listener door(endpoint::localhost(0));
    const endpoint here = door.local_endpoint();
    CHECK(thrown_by<std::system_error>([&] { listener again(here); }) ==
          "listen on " + here.to_string() +
              ": another socket uses this address; stop its program, or choose another port (0 for any): "
              "Address already in use");
  }

  TEST_CASE("an address of another machine is refused") {
    CHECK(thrown_by<std::system_error>([&] {
            listener door(endpoint::parse("192.0.2.1:0"));
          }).starts_with("listen on 192.0.2.1:0: this machine does not have that address"));
  }

  TEST_CASE("a server that is started again gets its port back") {
    endpoint here = endpoint::localhost(0);
    for (int i = 0; i < 3; ++i) {
      listener door(here);
      here = door.local_endpoint();
      stream to = await(martlet::net::connect(here));
      stream peer = await(door.accept());
      peer.close();  // our side is first, and keeps the address for a minute
      std::byte rest;
      CHECK(await(to.read_some({&rest, 1})) == 0);
    }
  }

  TEST_CASE("listeners may share a port when each says so") {
    listener one(endpoint::localhost(0), {.share_port = true});
    listener other(one.local_endpoint(), {.share_port = true});
    CHECK(other.local_endpoint() == one.local_endpoint());
  }

  TEST_CASE("of several that wait the first gets the first connection") {
    scheduler pool(1);
    listener door(endpoint::localhost(0));
    std::vector<martlet::handle<stream>> waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(pool.spawn([&]() -> task<stream> { co_return co_await door.accept(); }));
      CHECK(eventually([&] { return waiting.back().state() == martlet::status::blocked; }));
    }
    for (auto& accepter : waiting) {
      stream to = await(martlet::net::connect(door.local_endpoint()));
      CHECK(pool.block_on(std::move(accepter)).remote_endpoint() == to.local_endpoint());
    }
  }

  TEST_CASE("a burst of connections reaches every one who waits") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    std::vector<martlet::handle<stream>> waiting;
    for (int i = 0; i < 50; ++i) {
      waiting.push_back(pool.spawn([&]() -> task<stream> { co_return co_await door.accept(); }));
    }
    std::vector<stream> out;
    for (int i = 0; i < 50; ++i) {
      out.push_back(await(martlet::net::connect(door.local_endpoint())));
    }
    for (auto& accepter : waiting) {
      CHECK(pool.block_on(std::move(accepter)).is_open());
    }
  }

  // TSan starts no thread in the child of a process with threads.
  TEST_CASE("a process without descriptors is told so, and accepts again when it has some" *
            doctest::skip(MARTLET_TSAN != 0)) {
    const child_end end = in_child([] {
      listener door(endpoint::localhost(0));
      stream to = await(martlet::net::connect(door.local_endpoint()));
      stream more = await(martlet::net::connect(door.local_endpoint()));
      stream first = await(door.accept());
      const int unused = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      limit.rlim_cur = static_cast<rlim_t>(unused);
      ::close(unused);
      ::setrlimit(RLIMIT_NOFILE, &limit);
      const int last = ::open("/dev/null", O_RDONLY | O_CLOEXEC);  // -1 already, or the last one
      const std::string what = thrown_by<std::system_error>([&] { await(door.accept()); });
      if (what.find("accept: this process has all the ") != 0) {
        std::_Exit(3);
      }
      if (last >= 0) {
        ::close(last);
      }
      to.close();
      std::_Exit(await(door.accept()).is_open() ? 0 : 4);
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors == "");
  }
}

}  // namespace
