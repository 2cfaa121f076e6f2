#pragma once

#include <martlet/loadtest/scenario.hpp>

#include <string>

namespace martlet::loadtest {

/// Writes a request as it goes over the connection, once for all the times that it is sent.
///
/// Host, User-Agent, Content-Length and, without keep-alive, Connection are added; the step's own Host and User-Agent win.
/// Source    Boost.Beast's serializer
std::string to_wire(const request_step& step, const target& server, bool keep_alive);

}  // namespace martlet::loadtest
