#include "sockets_engine.hpp"

#include "monitor.hpp"
#include "scripted_server.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <thread>

namespace {

using namespace martlet::loadtest;
using namespace std::chrono_literals;

scenario scenario_for(const std::string& url, const std::string& model, const std::string& requests,
                      const std::string& more = "") {
  return parse_scenario("{\"target\": \"" + url + "\", \"model\": " + model + ", \"requests\": " + requests + more +
                            "}",
                        "s.json");
}

run_results run(const scenario& what, std::uint16_t port, int workers = 2) {
  stop_signals signals;
  sockets_engine engine(what, {"127.0.0.1", port}, workers);
  return watch(engine, what, signals, nullptr);
}

run_results run(scripted_server& server, const std::string& model, const std::string& requests,
                const std::string& more = "", int workers = 2) {
  return run(scenario_for(server.url(), model, requests, more), server.port(), workers);
}

std::uint64_t count_of(const run_results& results, failure kind) {
  return results.counts.failures[static_cast<std::size_t>(kind)];
}

constexpr auto five_users = R"({"kind": "closed", "users": 5, "iterations": 20})";
constexpr auto one_user = R"({"kind": "closed", "users": 1, "iterations": 3})";

}  // namespace

TEST_SUITE("sockets engine") {
  TEST_CASE("every request arrives once, over one connection a user") {
    for (const int workers : {1, 2, 4}) {
      CAPTURE(workers);
      scripted_server server;
      const auto results = run(server, five_users, R"([{"path": "/ok"}])", "", workers);
      CHECK(results.counts.started == 100);
      CHECK(results.counts.succeeded == 100);
      CHECK(results.counts.failed() == 0);
      CHECK(results.counts.statuses[200] == 100);
      CHECK(server.requests("/ok") == 100);
      CHECK(server.connections() == 5);
      CHECK(results.counts.connections_opened == 5);
      CHECK(results.counts.connections_closed == 5);
      CHECK(results.counts.connect.count() == 5);
      CHECK(results.counts.from_intended.count() == 100);
      CHECK(results.counts.from_send.count() == 100);
      CHECK(results.counts.from_send.percentile(50) <= results.counts.from_intended.percentile(50));
      CHECK(results.counts.bytes_received ==
            100 * std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").size());
      CHECK(results.counts.bytes_sent == 100 * server.last_request().size());
      CHECK(results.workers == static_cast<unsigned>(workers));
    }
  }

  TEST_CASE("a sequence is sent in turn, with its methods, headers and bodies") {
    scripted_server server;
    const auto results = run(server, one_user, R"([{"path": "/a"}, {"method": "HEAD", "path": "/b"},
      {"method": "POST", "path": "/echo", "headers": {"X-One": "1"}, "body": "hello"}])");
    CHECK(results.counts.succeeded + results.counts.failed() == 9);
    CHECK(server.requests("/a") == 3);
    CHECK(server.requests("/b") >= 1);  // the server sends a body to HEAD, which ends the connection here
    CHECK(server.requests("/echo") == 3);
    CHECK(server.last_request().starts_with("POST /echo HTTP/1.1\r\n"));
    CHECK(server.last_request().find("\r\nX-One: 1\r\n") != std::string::npos);
    CHECK(server.last_request().ends_with("\r\n\r\nhello"));
    CHECK(results.counts.steps[2].requests == 3);
  }

  TEST_CASE("a total is met exactly, whoever sends") {
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "closed", "users": 7})",
            R"([{"path": "/a", "weight": 1}, {"path": "/b", "weight": 3}])", R"(, "total_requests": 1000)");
    CHECK(results.counts.succeeded == 1'000);
    CHECK(server.requests() == 1'000);
    CHECK(server.requests("/b") > 2 * server.requests("/a"));
    CHECK(results.counts.steps[0].requests == server.requests("/a"));
  }

  TEST_CASE("the same seed sends the same requests, on any number of workers") {
    std::uint64_t first = 0;
    for (const int workers : {1, 3}) {
      scripted_server server;
      run(server, five_users, R"([{"path": "/a", "weight": 1}, {"path": "/b", "weight": 1}])", R"(, "seed": 99)",
          workers);
      if (first == 0) first = server.requests("/a");
      CHECK(server.requests("/a") == first);
      CHECK(first > 20);
      CHECK(first < 80);
    }
  }

  TEST_CASE("bodies may be chunked, end with the connection, follow interim answers") {
    for (const auto* path : {"/chunked", "/eof", "/last", "/early"}) {
      CAPTURE(path);
      scripted_server server;
      const auto results = run(server, one_user, "[{\"path\": \"" + std::string(path) + "\"}]");
      CHECK(results.counts.succeeded == 3);
      CHECK(results.counts.failed() == 0);
      const bool is_closing = path == std::string("/eof") || path == std::string("/last");
      CHECK(server.connections() == (is_closing ? 3 : 1));
    }
  }

  TEST_CASE("bodies larger than any buffer are read") {
    scripted_server server;
    const auto results =
        run(server, one_user,
            R"([{"method": "POST", "path": "/echo", "body": ")" + std::string(3'000'000, 'x') + "\"}]");
    CHECK(results.counts.succeeded == 3);
    CHECK(results.counts.bytes_received > 9'000'000);
    CHECK(results.counts.bytes_sent > 9'000'000);
  }

  TEST_CASE("without keep-alive each request has its own connection") {
    scripted_server server;
    const auto results = run(server, five_users, R"([{"path": "/ok"}])", R"(, "connection": {"keep_alive": false})");
    CHECK(results.counts.succeeded == 100);
    CHECK(server.connections() == 100);
    CHECK(server.last_request().find("Connection: close") != std::string::npos);
  }

  TEST_CASE("what goes wrong is counted by its kind, and the user goes on") {
    struct expectation {
      const char* path;
      failure kind;
    };
    for (const auto& expected :
         {expectation{"/hangup", failure::closed}, expectation{"/half", failure::closed},
          expectation{"/reset", failure::reset}, expectation{"/garbage", failure::protocol},
          expectation{"/status/500", failure::status}, expectation{"/never", failure::timeout}}) {
      const std::string path = expected.path;
      const auto kind = expected.kind;
      CAPTURE(path);
      scripted_server server;
      const std::string timeout = kind == failure::timeout ? "100ms" : "30s";
      const auto results = run(server, one_user, "[{\"path\": \"" + path + "\"}]",
                               ", \"connection\": {\"timeout\": \"" + timeout + "\"}");
      CHECK(count_of(results, kind) == 3);
      CHECK(results.counts.failed() == 3);
      CHECK(results.counts.succeeded == 0);
      CHECK(server.requests() == 3);
      CHECK(server.connections() == (kind == failure::status ? 1 : 3));
    }
  }

  TEST_CASE("a timeout is counted as a latency of the time that was waited") {
    scripted_server server;
    const auto results = run(server, one_user, R"([{"path": "/never"}])", R"(, "connection": {"timeout": "100ms"})");
    CHECK(results.counts.from_send.count() == 3);
    CHECK(results.counts.from_send.min() >= 99'000'000);
    CHECK(results.counts.from_send.max() < 5'000'000'000);
  }

  TEST_CASE("an answer that trickles in is cut off by the one timeout for all of it") {
    scripted_server server;
    const auto results = run(server, R"({"kind": "closed", "users": 1, "iterations": 1})", R"([{"path": "/trickle"}])",
                             R"(, "connection": {"timeout": "150ms"})");
    CHECK(count_of(results, failure::timeout) == 1);
    CHECK(results.wall >= 150ms);
    CHECK(results.wall < 1s);
  }

  TEST_CASE("a server that is gone is an error of connecting") {
    std::uint16_t port = 0;
    {
      scripted_server server;
      port = server.port();
    }
    const auto results =
        run(scenario_for("http://127.0.0.1:" + std::to_string(port), five_users, R"([{"path": "/"}])"), port);
    CHECK(count_of(results, failure::connect) == 100);
    CHECK(results.counts.failed() == 100);
    CHECK(results.counts.connections_opened == 0);
  }

  TEST_CASE("latency from the send is the server's, think time is in neither") {
    scripted_server server;
    const auto results = run(server, R"({"kind": "closed", "users": 3, "iterations": 2, "think_time": "500ms"})",
                             R"([{"path": "/slow/20"}])");
    CHECK(results.counts.succeeded == 6);
    CHECK(results.counts.from_send.min() >= 19'000'000);
    CHECK(results.counts.from_intended.percentile(50) < 400'000'000);
    CHECK(results.wall >= 2 * 20ms + 500ms);
  }

  TEST_CASE("the duration of a closed model ends it, and what is under way is waited for") {
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "closed", "users": 2, "duration": "150ms"})", R"([{"path": "/slow/300"}])");
    CHECK(results.counts.succeeded == 2);  // one each: the answer comes after the time is up
    CHECK(results.counts.started == 2);
    CHECK(results.counts.failed() == 0);
    CHECK(results.wall >= 299ms);
  }

  TEST_CASE("users of a ramp begin one after the other") {
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "closed", "users": 4, "iterations": 1, "ramp_up": "200ms"})", R"([{"path": "/ok"}])");
    CHECK(results.counts.succeeded == 4);
    CHECK(results.wall >= 150ms);
  }

  TEST_CASE("a thinking user whose connection the server closed meanwhile connects anew, without an error") {
    scripted_server server;
    // The answer says keep-alive and the server closes nevertheless, as servers do when they think it was idle for long.
    const auto results = run(server, R"({"kind": "closed", "users": 5, "iterations": 2, "think_time": "1.1s"})",
                             R"([{"path": "/forget"}])");
    CHECK(results.counts.succeeded == 10);
    CHECK(results.counts.failed() == 0);
    CHECK(server.connections() == 10);
  }

  TEST_CASE("a constant rate sends when it has to, however slow the server is") {
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "constant_rate", "rate": 200, "duration": "500ms", "max_in_flight": 100})",
            R"([{"path": "/slow/100"}])");
    CHECK(results.counts.succeeded == 100);
    CHECK(results.counts.dropped == 0);
    CHECK(server.requests() == 100);
    CHECK(server.most_at_work() >= 10);  // 200 a second for 100 ms each are 20 at once
    CHECK(server.most_at_work() <= 100);
    CHECK(results.wall >= 590ms);
    CHECK(results.counts.connections_opened < 100);  // connections are used again
  }

  TEST_CASE("a constant rate drops what would be too many, and counts it") {
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "constant_rate", "rate": 100, "duration": "500ms", "max_in_flight": 2})",
            R"([{"path": "/slow/100"}])");
    CHECK(results.counts.dropped + results.counts.succeeded == 50);
    CHECK(results.counts.dropped >= 30);
    CHECK(server.most_at_work() <= 2);
    CHECK(server.connections() <= 2);
  }

  TEST_CASE("at a constant rate a server that stands still shows in the latency from the intended start") {
    // One connection at most: each request has to wait for the one before it, or is dropped.
    scripted_server server;
    const auto results =
        run(server, R"({"kind": "constant_rate", "rate": 50, "max_in_flight": 10, "late_after": "1h"})",
            R"([{"path": "/slow/50"}])", R"(, "total_requests": 20, "connection": {"keep_alive": false})");
    CHECK(results.counts.from_intended.count() == results.counts.from_send.count());
    CHECK(results.counts.from_intended.min() >= results.counts.from_send.min());
  }

  TEST_CASE("a signal ends a run in the middle of waits of every kind") {
    for (const auto* path : {"/never", "/ok"}) {
      CAPTURE(path);
      stop_signals signals;  // before any other thread, which would take the signal
      scripted_server server;
      const auto what =
          scenario_for(server.url(), R"({"kind": "closed", "users": 20, "iterations": 1000, "think_time": "1m"})",
                       "[{\"path\": \"" + std::string(path) + "\"}]", R"(, "connection": {"timeout": "1h"})");
      sockets_engine engine(what, {"127.0.0.1", server.port()}, 2);
      std::jthread impatient([] {
        std::this_thread::sleep_for(200ms);
        ::kill(::getpid(), SIGINT);
      });
      const auto results = watch(engine, what, signals, nullptr);
      CHECK(results.ended == outcome::aborted);
      CHECK(results.wall < 10s);
      CHECK(results.counts.started == 20);
      CHECK(results.counts.failed() == 0);
      CHECK(results.counts.in_flight() == (path == std::string("/never") ? 20 : 0));
      CHECK(results.most_open == 20);
    }
  }

  TEST_CASE("a thousand users are served at once") {
    scripted_server server;
    allow_descriptors(3'000);
    const auto results =
        run(server, R"({"kind": "closed", "users": 1000, "iterations": 5, "ramp_up": "100ms", "think_time": "200ms"})",
            R"([{"path": "/ok"}])");
    CHECK(results.counts.succeeded == 5'000);
    CHECK(results.counts.failed() == 0);
    CHECK(server.requests() == 5'000);
    CHECK(server.connections() == 1'000);
    CHECK(results.most_open == 1'000);  // the last begins 700 ms before the first can end
  }
}
