#pragma once

#include <string>

#include "operation.hpp"

/// What stands in the source at an operation. Files are read when they are first asked for; of one that cannot be read
/// all is empty.
namespace martlet::model {

/// Returns   the code of the line, without its comment.
std::string code_at(const site& at);

/// Returns   the labels in the line's comment, such as "[ring.offer] [sleep.look]".
std::string labels_at(const site& at);

/// Returns   the object whose member function is called, where the line calls such a function once: "head_".
std::string object_at(const site& at);

/// Returns   the path without what leads from the build folder to the source.
std::string short_path(const std::string& file);

}  // namespace martlet::model
