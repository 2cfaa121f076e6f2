#include "wire.hpp"

#include <doctest/doctest.h>

using namespace martlet::loadtest;

TEST_SUITE("wire") {
  const target server{"::1", 8080, "/base"};

  TEST_CASE("a GET has no body and no length") {
    request_step step;
    step.path = "/base/a?b=c";
    CHECK(to_wire(step, server, true) ==
          "GET /base/a?b=c HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: martlet-load/" MARTLET_LOAD_VERSION "\r\n\r\n");
  }

  TEST_CASE("a body brings its length, and so does its absence in a POST") {
    request_step step;
    step.method = "POST";
    step.path = "/";
    step.body = std::string("a\0b", 3);
    step.headers = {{"Content-Type", "application/octet-stream"}};
    CHECK(to_wire(step, server, true) ==
          "POST / HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: martlet-load/" MARTLET_LOAD_VERSION
          "\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n" +
              step.body);
    step.body.clear();
    CHECK(to_wire(step, server, true).find("\r\nContent-Length: 0\r\n") != std::string::npos);
  }

  TEST_CASE("the step's own Host and User-Agent win, and are there once") {
    request_step step;
    step.path = "/";
    step.headers = {{"host", "example.org"}, {"User-Agent", "me"}};
    const auto text = to_wire(step, server, true);
    CHECK(text.find("host: example.org\r\n") != std::string::npos);
    CHECK(text.find("[::1]") == std::string::npos);
    CHECK(text.find("martlet-load") == std::string::npos);
  }

  TEST_CASE("without keep-alive the server is asked to close") {
    request_step step;
    step.path = "/";
    CHECK(to_wire(step, server, false).find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(to_wire(step, server, true).find("Connection") == std::string::npos);
  }

  TEST_CASE("headers of the greatest lengths that a scenario may have are written") {
    request_step step;
    step.path = '/' + std::string(7'999, 'p');
    step.headers = {{std::string(256, 'N'), std::string(8'000, 'v')}};
    const auto text = to_wire(step, server, true);
    CHECK(text.find(step.path) != std::string::npos);
    CHECK(text.find(step.headers[0].first + ": " + step.headers[0].second + "\r\n") != std::string::npos);
  }
}
