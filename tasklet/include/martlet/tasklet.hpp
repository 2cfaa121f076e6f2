#pragma once

/// Tasklets of both kinds, their handles, and how to wait in each.
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/shield.hpp>
#include <martlet/tasklet/site.hpp>
#include <martlet/tasklet/stack_use.hpp>
#include <martlet/tasklet/task.hpp>
#include <martlet/tasklet/tasklet_local.hpp>
#include <martlet/tasklet/this_tasklet.hpp>
