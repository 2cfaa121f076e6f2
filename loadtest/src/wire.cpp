#include "wire.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <sstream>

namespace martlet::loadtest {

std::string to_wire(const request_step& step, const target& server, bool keep_alive) {
  namespace http = boost::beast::http;
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(step.method);
  request.target(step.path);
  request.set(http::field::host, server.authority());
  request.set(http::field::user_agent, "martlet-load/" MARTLET_LOAD_VERSION);
  for (const auto& [name, value] : step.headers) request.set(name, value);
  request.body() = step.body;
  request.keep_alive(keep_alive);
  request.prepare_payload();
  std::ostringstream out;
  out << request;
  return out.str();
}

}  // namespace martlet::loadtest
