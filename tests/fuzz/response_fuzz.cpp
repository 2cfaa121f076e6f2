#include <algorithm>
#include <span>

#include "fuzzing.hpp"
#include "response_reader.hpp"

using martlet::loadtest::response_reader;
using state = response_reader::state;

namespace {

// Reads one response in pieces of `at_once` bytes, to its end or the end of all bytes.
state read(response_reader& reader, std::span<const std::byte> bytes, std::size_t at_once, bool is_head) {
  reader.begin(is_head);
  state now = state::incomplete;
  while (!bytes.empty() && now == state::incomplete) {
    const auto piece = bytes.first(std::min(at_once, bytes.size()));
    now = reader.feed(piece);
    bytes = bytes.subspan(piece.size());
  }
  return now;
}

}  // namespace

// The first byte says whether a HEAD is answered, and how large the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const bool is_head = (data[0] & 1) != 0;
  const std::size_t at_once = data[0] / 2 + 1U;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  response_reader whole;
  response_reader pieces;
  const state of_whole = read(whole, bytes, bytes.size(), is_head);
  const state of_pieces = read(pieces, bytes, at_once, is_head);
  // Beast looks at a header that came in pieces when it is complete, and so finds later that it is none.
  martlet::testing::claim(of_whole == of_pieces || (of_whole == state::malformed && of_pieces == state::incomplete),
                          "a response is the same in pieces");
  if (of_whole == state::complete) {
    martlet::testing::claim(whole.status() == pieces.status(), "its status is the same in pieces");
    martlet::testing::claim(whole.status() >= 200, "an interim answer is not the response");
    static_cast<void>(whole.keeps_alive());
  } else if (of_whole == state::incomplete) {
    martlet::testing::claim(whole.finish() == pieces.finish(), "its end is the same in pieces");
  }
  return 0;
}
