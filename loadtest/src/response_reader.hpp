#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace martlet::loadtest {

/// Reads one HTTP/1.1 response after the other, of which it keeps nothing but what a load test has to know.
///
/// The bytes may come in any pieces, and stay the caller's: only the few that a piece broke off in the middle of a line are
/// copied. So a user that waits for an answer needs no buffer of its own.
///
///     response_reader answer;
///     answer.begin(method == "HEAD");
///     while (answer.feed(next_bytes()) == response_reader::state::incomplete) {}
///
/// Source    Boost.Beast's basic_parser does the parsing
class response_reader {
 public:
  enum class state { incomplete, complete, malformed };

  /// Gets ready for the next response.
  ///
  /// Takes     whether it answers a HEAD request and so has no body.
  void begin(bool is_head) {
    is_head_ = is_head;
    has_rest_ = false;
    carried_.clear();
    restart();
  }

  /// Reads the next bytes of the response. Interim answers (100 Continue, 103 Early Hints) are passed over.
  ///
  /// Returns   whether the response is complete now; malformed when it is no HTTP, or its header has more than 64 KiB.
  state feed(std::span<const std::byte> bytes) {
    if (!carried_.empty()) {
      carried_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      // Beast takes for granted that it looks at a last chunk for the second time when all of "0\r\n\r\n" may be there.
      if (parser_->is_header_done() && parser_->chunked() && carried_.size() < shortest_last_chunk) {
        return state::incomplete;
      }
      // The parser keeps no pointer, but what is left over is copied from its own buffer: swap it out first.
      std::string whole;
      whole.swap(carried_);
      return parse(whole.data(), whole.size());
    }
    return parse(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  /// Says that the server has closed the connection.
  ///
  /// Returns   complete when that is how this response ends (no length and not chunked), else incomplete.
  state finish() {
    if (!parser_->got_some() || !carried_.empty()) return state::incomplete;
    boost::system::error_code error;
    parser_->put_eof(error);
    return error ? state::incomplete : state::complete;
  }

  unsigned status() const noexcept { return parser_->status; }

  /// Returns   whether a byte of the response has come.
  bool has_begun() const { return parser_->got_some() || !carried_.empty(); }

  /// Returns   whether the connection can carry another request after this complete response: the server keeps it open and
  ///           has sent nothing that nobody asked for.
  bool keeps_alive() const { return !has_rest_ && parser_->keep_alive(); }

 private:
  static constexpr std::size_t shortest_last_chunk = 5;

  class parser final : public boost::beast::http::basic_parser<false> {
   public:
    parser() {
      eager(true);
      body_limit(boost::none);
      header_limit(64 * 1024);
    }

    unsigned status = 0;

   private:
    using error_code = boost::beast::error_code;
    using string_view = boost::beast::string_view;
    using length = boost::optional<std::uint64_t>;

    void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int, error_code& error) override {
      status = static_cast<unsigned>(code);
      if (code < 100) error = boost::beast::http::error::bad_status;
    }
    void on_field_impl(boost::beast::http::field, string_view, string_view, error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const length&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}
  };

  void restart() {
    parser_.emplace();
    parser_->skip(is_head_);
  }

  state parse(const char* data, std::size_t size) {
    while (size != 0) {
      boost::system::error_code error;
      const auto used = parser_->put({data, size}, error);
      data += used;
      size -= used;
      if (error == boost::beast::http::error::need_more) break;
      if (error) return state::malformed;
      if (!parser_->is_done()) continue;
      if (parser_->status >= 200) {
        has_rest_ = size != 0;
        return state::complete;
      }
      restart();
    }
    carried_.assign(data, size);
    return state::incomplete;
  }

  std::optional<parser> parser_;
  std::string carried_;
  bool is_head_ = false;
  bool has_rest_ = false;
};

}  // namespace martlet::loadtest
