// An HTTP/1.1 server with keep-alive and pipelining: Boost.Beast reads and writes the protocol in memory, a tasklet for
// each connection moves the bytes. GET / gives a short text, POST /echo gives the body back, GET /stats gives JSON.
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>

#include <sys/resource.h>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http.hpp>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

using namespace std::literals;
namespace http = boost::beast::http;
using martlet::net::stream;
using request_parser = http::request_parser<http::string_body>;
using response = http::response<http::string_body>;

struct server {
  std::atomic<long> requests{0}, open{0}, most_open{0}, busy{0};  // requests for /stats are not counted
  std::atomic<bool> is_stopping{false};
};

struct counted {  // counts itself while it lives
  explicit counted(std::atomic<long>& what) : what_(what) { ++what; }
  ~counted() { --what_; }
  std::atomic<long>& what_;
};

response make(http::status status, std::string body, const char* type = "text/plain") {
  response reply(status, 11, std::move(body));
  reply.set(http::field::content_type, type);
  return reply;
}

response answer(server& s, const request_parser::value_type& asked) {
  if (asked.target() == "/stats")
    return make(http::status::ok,
                "{\"requests\": " + std::to_string(s.requests) + ", \"open\": " + std::to_string(s.open) +
                    ", \"most_open\": " + std::to_string(s.most_open) + "}\n",
                "application/json");
  ++s.requests;
  if (asked.target() == "/") return make(http::status::ok, "Hello from a tasklet.\n");
  if (asked.target() == "/echo" && asked.method() == http::verb::post) return make(http::status::ok, asked.body());
  return make(http::status::not_found, "Ask for /, /stats, or POST to /echo.\n");
}

void append(std::string& out, response&& reply, bool keep, bool only_header) {
  reply.keep_alive(keep);
  reply.prepare_payload();
  if (only_header) reply.body().clear();  // the length stays
  http::serializer<false, http::string_body> writer(reply);
  for (boost::beast::error_code error; !writer.is_done();) {
    writer.next(error, [&](auto&, const auto& pieces) {
      out += boost::beast::buffers_to_string(pieces);
      writer.consume(boost::asio::buffer_size(pieces));
    });
  }
}

// Reads and answers until nothing is half done; says whether the connection goes on. The buffer lies in this frame, so
// that an idle connection has none.
martlet::task<bool> converse(server& s, stream& peer) {
  const counted busy(s.busy);
  std::array<char, 8192> in;
  std::size_t have = 0;
  std::optional<request_parser> parser(std::in_place);
  bool keep = true;
  do {
    const std::size_t more = co_await peer.read_some(std::as_writable_bytes(std::span(in).subspan(have)));
    if (more == 0) co_return false;
    have += more;
    std::string out;
    for (boost::beast::error_code error; keep && have != 0 && !error;) {
      parser->eager(true);
      const std::size_t used = parser->put(boost::asio::buffer(in.data(), have), error);
      have -= used;
      std::memmove(in.data(), in.data() + used, have);
      if (error && (error != http::error::need_more || have == in.size())) {
        append(out, make(http::status::bad_request, error.message() + "\n"), keep = false, false);
      } else if (parser->is_done()) {
        keep = parser->keep_alive() && !s.is_stopping;
        append(out, answer(s, parser->get()), keep, parser->get().method() == http::verb::head);
        parser.emplace();
      }
    }
    co_await peer.write_all(std::as_bytes(std::span(out)));
  } while (keep && (have != 0 || parser->is_header_done()));
  co_return keep;
}

martlet::task<> serve(server& s, stream peer) {
  const counted open(s.open);
  for (long now = s.open, most = s.most_open; now > most && !s.most_open.compare_exchange_weak(most, now);) {}
  try {
    do {
      co_await peer.readable();
    } while (co_await converse(s, peer));
  } catch (const std::system_error&) {  // the other side went away in the middle of something
  }
}

martlet::task<> accept_all(server& s, martlet::net::listener& door) {
  while (door.is_open()) {
    try {
      for (;;) martlet::spawn(serve(s, co_await door.accept()));
    } catch (const std::system_error&) {  // the door was closed, or no descriptor is left
    }
    co_await martlet::sleep_for(100ms);  // perhaps a connection ends
  }
}

int main(int count, char** arguments) try {
  int port = 8080, workers = -1;
  for (int i = 1; i < count; i += 2) {
    int& number = arguments[i] == "--port"sv ? port : workers;
    if (i + 1 == count || (arguments[i] != "--port"sv && arguments[i] != "--workers"sv) ||
        std::from_chars(arguments[i + 1], arguments[i + 1] + std::strlen(arguments[i + 1]), number).ec != std::errc())
      throw std::invalid_argument("it takes --port N (0 for any) and --workers N (-1 for one per core)");
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;  // each connection is a descriptor
  setrlimit(RLIMIT_NOFILE, &limit);
  sigset_t stops{};
  for (const int stop : {SIGINT, SIGTERM}) sigaddset(&stops, stop);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // before there are workers, so that this thread gets them
  server s;
  martlet::net::listener door(martlet::net::endpoint::parse("127.0.0.1:" + std::to_string(port)));
  {
    martlet::scheduler pool(workers);
    pool.spawn(accept_all(s, door));
    std::cout << "listening on " << door.local_endpoint().to_string() << std::endl;
    sigwaitinfo(&stops, nullptr);
    s.is_stopping = true;
    door.close();
    for (int i = 0; i < 100 && s.busy != 0; ++i) martlet::await(martlet::sleep_for(10ms));  // let them end
  }  // the scheduler cancels the connections that are idle
  std::cout << "served " << s.requests << " requests; at most " << s.most_open << " connections were open at once\n";
} catch (const std::exception& error) {
  std::cerr << "http_server: " << error.what() << "\n";
  return 2;
}
