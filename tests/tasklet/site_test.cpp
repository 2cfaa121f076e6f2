#include <martlet/tasklet/site.hpp>

#include <string>

#include <doctest/doctest.h>

namespace {

martlet::site where_called(martlet::site where = martlet::site::here()) { return where; }

TEST_SUITE("site") {
  TEST_CASE("a site taken as a default argument is the caller's place") {
    const martlet::site here = where_called();
    const unsigned line = __LINE__ - 1;
    CHECK(std::string(here.file()) == __FILE__);
    CHECK(here.line() == line);
    CHECK(here.text() == std::string(__FILE__) + ':' + std::to_string(line));
  }

  TEST_CASE("no site is an unknown place") {
    const martlet::site nowhere;
    CHECK(std::string(nowhere.file()).empty());
    CHECK(nowhere.text() == "an unknown place");
  }

  TEST_CASE("a line beyond sixteen bits is the last one that fits") {
    CHECK(martlet::site::here("long.cpp", 70'000).text() == "long.cpp:65535");
  }
}

}  // namespace
