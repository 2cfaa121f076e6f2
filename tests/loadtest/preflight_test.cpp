#include "preflight.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace martlet::loadtest;
using namespace std::chrono_literals;

namespace {

// A port of 127.0.0.1 that somebody listens on, or that nobody does but that is taken.
class local_port {
 public:
  explicit local_port(bool is_listening) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    if (is_listening) REQUIRE(::listen(socket_, 16) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number_ = ntohs(address.sin_port);
  }
  local_port(const local_port&) = delete;
  local_port& operator=(const local_port&) = delete;
  ~local_port() { ::close(socket_); }
  std::uint16_t number() const { return number_; }

 private:
  int socket_;
  std::uint16_t number_ = 0;
};

}  // namespace

TEST_SUITE("preflight") {
  TEST_CASE("a target that listens is found by address and by name") {
    const local_port open(true);
    CHECK(find_target({"127.0.0.1", open.number(), ""}, 2s).text() == "127.0.0.1:" + std::to_string(open.number()));
    CHECK(find_target({"localhost", open.number(), ""}, 2s).host == "127.0.0.1");
  }

  TEST_CASE("a target that refuses is one sentence") {
    const local_port closed(false);
    const auto port = std::to_string(closed.number());
    CHECK_THROWS_WITH_AS(find_target({"127.0.0.1", closed.number(), ""}, 2s),
                         ("cannot reach the target http://127.0.0.1:" + port + ": 127.0.0.1:" + port +
                          " refuses connections; is the server running?")
                             .c_str(),
                         preflight_error);
  }

  TEST_CASE("an unknown name is one sentence") {
    CHECK_THROWS_WITH_AS(find_target({"no-such-host.invalid", 80, ""}, 2s),
                         doctest::Contains("cannot find the target http://no-such-host.invalid: "), preflight_error);
  }

  TEST_CASE("too few descriptors and ports are refused with what to do") {
    CHECK(preflight_rules::too_few_descriptors(1'024, 1'024).empty());
    CHECK(
        preflight_rules::too_few_descriptors(10'064, 4'096) ==
        "this scenario needs 10,064 open descriptors, and this process may have 4,096 at most (the hard limit): raise that with "
        "\"ulimit -Hn 10064\" as root, or ask for fewer users");
    CHECK(preflight_rules::too_few_ports(28'232, 28'232).empty());
    CHECK(preflight_rules::too_few_ports(28'233, 28'232).find("net.ipv4.ip_local_port_range") != std::string::npos);
    CHECK_THROWS_AS(check_local_ports(70'000), preflight_error);
  }

  TEST_CASE("the soft limit of descriptors becomes the hard one") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = std::min<rlim_t>(64, before.rlim_max);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    allow_descriptors(10);
    rlimit after{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &after) == 0);
    CHECK(after.rlim_cur == after.rlim_max);
    if (before.rlim_max != RLIM_INFINITY) CHECK_THROWS_AS(allow_descriptors(before.rlim_max + 1), preflight_error);
    ::setrlimit(RLIMIT_NOFILE, &before);
  }
}
