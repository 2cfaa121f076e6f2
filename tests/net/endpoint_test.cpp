#include <martlet/net/endpoint.hpp>

#include <cstring>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

namespace {

using martlet::net::endpoint;

TEST_SUITE("endpoint") {
  TEST_CASE("what is parsed is written as it was read") {
    for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "192.168.7.255:65535", "[::1]:443", "[2001:db8::7]:8080",
                             "[::]:1", "unix:/tmp/a socket"}) {
      CHECK(endpoint::parse(text).to_string() == text);
      CHECK(endpoint::parse(text) == endpoint::parse(text));
    }
  }

  TEST_CASE("localhost and an empty host are short for addresses") {
    CHECK(endpoint::parse("localhost:8080") == endpoint::localhost(8080));
    CHECK(endpoint::parse(":8080") == endpoint::any(8080));
    CHECK(endpoint::localhost(1).to_string() == "127.0.0.1:1");
    CHECK(endpoint().to_string() == "0.0.0.0:0");
  }

  TEST_CASE("its parts can be asked for") {
    CHECK(endpoint::parse("10.0.0.1:99").port() == 99);
    CHECK(endpoint::parse("10.0.0.1:99").family() == AF_INET);
    CHECK(endpoint::parse("[::1]:7").port() == 7);
    CHECK(endpoint::parse("[::1]:7").family() == AF_INET6);
    CHECK(endpoint::parse("unix:/x").family() == AF_UNIX);
    CHECK(endpoint::parse("unix:/x").port() == 0);
  }

  TEST_CASE("endpoints that differ in anything are different") {
    CHECK_FALSE(endpoint::localhost(1) == endpoint::localhost(2));
    CHECK_FALSE(endpoint::localhost(1) == endpoint::any(1));
    CHECK_FALSE(endpoint::parse("[::1]:1") == endpoint::parse("127.0.0.1:1"));
    CHECK_FALSE(endpoint::unix_path("/a") == endpoint::unix_path("/b"));
  }

  TEST_CASE("what is no endpoint is refused with what was expected and what was found") {
    for (const char* text : {"", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x",
                             "127.0.0:80", "::1:80", "[::1]", "[::g]:1", "[]:1", "example.org:80", "unix:"}) {
      CHECK_FALSE(endpoint::try_parse(text));
      try {
        endpoint::parse(text);
        FAIL("nothing was thrown");
      } catch (const std::system_error& error) {
        const std::string what = error.what();
        CHECK(what.find("127.0.0.1:80") != std::string::npos);
        CHECK(what.find("\"" + std::string(text) + "\"") != std::string::npos);
      }
    }
  }

  TEST_CASE("a path of the system's that fills its place is written to its end and no further") {
    sockaddr_un given{};
    given.sun_family = AF_UNIX;
    std::memset(given.sun_path, 'x', sizeof given.sun_path);
    CHECK(endpoint::from(reinterpret_cast<const sockaddr*>(&given), sizeof given).to_string() ==
          "unix:" + std::string(sizeof given.sun_path, 'x'));
  }

  TEST_CASE("a path with a zero byte, where the system would end it, is refused") {
    using namespace std::string_view_literals;
    CHECK_FALSE(endpoint::try_parse("unix:/a\0b"sv));
    CHECK_THROWS_AS(endpoint::parse("unix:/a\0b"sv), std::system_error);
    CHECK_THROWS_AS(endpoint::unix_path("/a\0b"sv), std::system_error);
  }

  TEST_CASE("a path that is too long for a Unix socket is refused") {
    CHECK(endpoint::unix_path(std::string(107, 'x')).to_string() == "unix:" + std::string(107, 'x'));
    CHECK_THROWS_AS(endpoint::unix_path(std::string(108, 'x')), std::system_error);
    CHECK_FALSE(endpoint::try_parse("unix:" + std::string(108, 'x')));
  }
}

}  // namespace
