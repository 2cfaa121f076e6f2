#pragma once

#include "family.hpp"

#include <memory>

namespace martlet::python {

/// Tells a scope that one of its children failed: the first failure stops the others and the scope's body.
///
/// Returns   false when it is not the scope that tells of the error.
/// Threads   the child's worker, before it leaves the family.
bool child_of_scope_failed(PyObject* scope, tasklet_frame& child, PyObject* error);

}  // namespace martlet::python
