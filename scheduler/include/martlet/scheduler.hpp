#pragma once

/// The scheduler: what runs tasklets, on which thread, and when.
#include <martlet/scheduler/blocking.hpp>
#include <martlet/scheduler/explore.hpp>
#include <martlet/scheduler/guest.hpp>
#include <martlet/scheduler/options.hpp>
#include <martlet/scheduler/scheduler.hpp>
#include <martlet/scheduler/scope.hpp>
#include <martlet/scheduler/shutdown.hpp>
#include <martlet/scheduler/simulation.hpp>
#include <martlet/scheduler/sleep.hpp>
#include <martlet/scheduler/yield.hpp>
