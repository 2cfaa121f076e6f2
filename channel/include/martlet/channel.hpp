#pragma once

/// Channels, and waiting for the first of several things.
#include <martlet/channel/channel.hpp>
#include <martlet/channel/errors.hpp>
#include <martlet/channel/select.hpp>
