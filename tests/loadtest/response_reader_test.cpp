#include "response_reader.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>

namespace {

using martlet::loadtest::response_reader;
using state = response_reader::state;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

state whole(response_reader& reader, std::string_view text, bool is_head = false) {
  reader.begin(is_head);
  return reader.feed(bytes(text));
}

}  // namespace

TEST_SUITE("response reader") {
  TEST_CASE("a response with a length is complete with its last byte") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell") == state::incomplete);
    CHECK(reader.feed(bytes("o")) == state::complete);
    CHECK(reader.status() == 200);
    CHECK(reader.keeps_alive());
  }

  TEST_CASE("a chunked response is complete with its last chunk, trailers included") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n") ==
          state::incomplete);
    CHECK(reader.feed(bytes("X-Sum: 1\r\n\r\n")) == state::complete);
    CHECK(reader.keeps_alive());
  }

  TEST_CASE("an empty chunked response is complete with its last byte, though each comes alone") {
    const std::string_view text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    response_reader reader;
    reader.begin(false);
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
      CHECK(reader.feed(bytes(text.substr(i, 1))) == state::incomplete);
    }
    CHECK(reader.feed(bytes(text.substr(text.size() - 1))) == state::complete);
    CHECK(reader.keeps_alive());
  }

  TEST_CASE("answers to HEAD and answers without content have no body") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", true) == state::complete);
    CHECK(reader.keeps_alive());
    CHECK(whole(reader, "HTTP/1.1 204 No Content\r\n\r\n") == state::complete);
    CHECK(whole(reader, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n") == state::complete);
    CHECK(reader.status() == 304);
  }

  TEST_CASE("without a length the body ends with the connection") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\n\r\nas long as it takes") == state::incomplete);
    CHECK(reader.feed(bytes(" and longer")) == state::incomplete);
    CHECK(reader.finish() == state::complete);
    CHECK_FALSE(reader.keeps_alive());
  }

  TEST_CASE("a connection that closes in the middle leaves the response incomplete") {
    response_reader reader;
    for (const auto* text :
         {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
      CAPTURE(text);
      CHECK(whole(reader, text) == state::incomplete);
      CHECK(reader.finish() == state::incomplete);
      CHECK(reader.has_begun() == !std::string_view(text).empty());
    }
  }

  TEST_CASE("the server decides whether the connection stays") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") == state::complete);
    CHECK_FALSE(reader.keeps_alive());
    CHECK(whole(reader, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n") == state::complete);
    CHECK_FALSE(reader.keeps_alive());
    CHECK(whole(reader, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n") == state::complete);
    CHECK(reader.keeps_alive());
  }

  TEST_CASE("bytes that nobody asked for end the connection") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n") == state::complete);
    CHECK_FALSE(reader.keeps_alive());
  }

  TEST_CASE("interim answers are passed over") {
    response_reader reader;
    CHECK(whole(reader, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") ==
          state::incomplete);
    CHECK(reader.feed(bytes("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")) == state::complete);
    CHECK(reader.status() == 201);
  }

  TEST_CASE("what is no HTTP is malformed") {
    response_reader reader;
    for (const auto* text :
         {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
          "HTTP/1.1 099 Too Low\r\n\r\n"}) {
      CAPTURE(text);
      CHECK(whole(reader, text) == state::malformed);
    }
  }

  TEST_CASE("a header without an end is given up after 64 KiB, a body of any length is read") {
    response_reader reader;
    reader.begin(false);
    auto last = reader.feed(bytes("HTTP/1.1 200 OK\r\nX: "));
    const std::string piece(4'096, 'x');
    int pieces = 0;
    for (; last == state::incomplete && pieces != 100; ++pieces) last = reader.feed(bytes(piece));
    CHECK(last == state::malformed);
    CHECK(pieces <= 17);

    reader.begin(false);
    CHECK(reader.feed(bytes("HTTP/1.1 200 OK\r\nContent-Length: 40960000\r\n\r\n")) == state::incomplete);
    for (int i = 1; i != 10'000; ++i) REQUIRE(reader.feed(bytes(piece)) == state::incomplete);
    CHECK(reader.feed(bytes(piece)) == state::complete);
  }

  TEST_CASE("the same response in any pieces gives the same end, at the same byte") {
    const std::string_view responses[] = {
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\na;x=y\r\n0123456789\r\n1\r\n!\r\n0\r\nT: u\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
    };
    std::mt19937_64 random(3);
    response_reader reader;
    for (int i = 0; i != 3'000; ++i) {
      const auto text = responses[random() % std::size(responses)];
      reader.begin(false);
      std::size_t at = 0;
      const auto longest = 1 + random() % 40;
      auto last = state::incomplete;
      while (at != text.size()) {
        REQUIRE(last == state::incomplete);
        const auto size = std::min<std::size_t>(1 + random() % longest, text.size() - at);
        last = reader.feed(bytes(text.substr(at, size)));
        at += size;
      }
      REQUIRE(last == state::complete);
      REQUIRE(reader.keeps_alive());
    }
  }

  TEST_CASE("damaged responses are complete, incomplete or malformed, and nothing worse") {
    const std::string original =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    std::mt19937_64 random(4);
    response_reader reader;
    for (int i = 0; i != 20'000; ++i) {
      auto text = original;
      for (std::uint64_t change = 0; change <= random() % 4; ++change)
        text[random() % text.size()] = static_cast<char>(static_cast<unsigned char>(random()));
      reader.begin(random() % 2 == 0);
      auto last = state::incomplete;
      for (std::size_t at = 0; at < text.size() && last == state::incomplete; at += 13)
        last = reader.feed(bytes(std::string_view(text).substr(at, 13)));
      if (last == state::incomplete) (void)reader.finish();
    }
  }
}
