#pragma once

/// Sockets whose waits are waits of tasklets.
#include <martlet/net/endpoint.hpp>
#include <martlet/net/error.hpp>
#include <martlet/net/listener.hpp>
#include <martlet/net/simulated_network.hpp>
#include <martlet/net/stream.hpp>
