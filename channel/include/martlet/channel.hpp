#pragma once

/// Channels, waiting for the first of several things, and what else tasklets synchronise with.
#include <martlet/channel/barrier.hpp>
#include <martlet/channel/channel.hpp>
#include <martlet/channel/condition.hpp>
#include <martlet/channel/errors.hpp>
#include <martlet/channel/event.hpp>
#include <martlet/channel/mutex.hpp>
#include <martlet/channel/once.hpp>
#include <martlet/channel/recursive_mutex.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/channel/semaphore.hpp>
#include <martlet/channel/shared_mutex.hpp>
#include <martlet/channel/wait_group.hpp>
