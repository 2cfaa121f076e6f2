#include <martlet/loadtest/target.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

using namespace martlet::loadtest;

TEST_SUITE("target") {
  TEST_CASE("host, port and base are taken apart") {
    CHECK(parse_target("http://localhost") == target{"localhost", 80, ""});
    CHECK(parse_target("http://localhost/") == target{"localhost", 80, ""});
    CHECK(parse_target("http://127.0.0.1:8080/a/b//") == target{"127.0.0.1", 8080, "/a/b"});
    CHECK(parse_target("http://[::1]:65535/x") == target{"::1", 65535, "/x"});
    CHECK(parse_target("http://[fe80::1]") == target{"fe80::1", 80, ""});
  }

  TEST_CASE("the Host header leaves port 80 out and puts IPv6 in brackets") {
    CHECK(parse_target("http://example.org:80").authority() == "example.org");
    CHECK(parse_target("http://example.org:81").authority() == "example.org:81");
    CHECK(parse_target("http://[::1]:81/b").authority() == "[::1]:81");
    CHECK(parse_target("http://[::1]:81/b/").url() == "http://[::1]:81/b");
  }

  TEST_CASE("each wrong URL is refused with what was expected") {
    CHECK_THROWS_WITH_AS(parse_target("https://a"),
                         "expected a URL that begins with http:// (TLS is not there yet), found \"https://a\"",
                         std::invalid_argument);
    CHECK_THROWS_WITH(parse_target("a:80"), doctest::Contains("a URL such as"));
    CHECK_THROWS_WITH(parse_target("http://a:99999"), doctest::Contains("a port from 1 to 65535"));
    CHECK_THROWS_WITH(parse_target("http://me@a"), doctest::Contains("without user and password"));
    CHECK_THROWS_WITH(parse_target("http://a/?q"), doctest::Contains("a query belongs to the path of a request"));
    CHECK_THROWS_WITH(parse_target("http://::1"), doctest::Contains("found"));
  }
}
