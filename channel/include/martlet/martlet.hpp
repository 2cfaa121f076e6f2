#pragma once

/// Everything that a program with tasklets and channels needs.
#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>
#include <martlet/tasklet.hpp>
