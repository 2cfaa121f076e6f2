#pragma once

#include <span>
#include <string>
#include <string_view>

namespace martlet::loadtest {

/// Gives the candidate that `word` was probably meant to be, or an empty view when none is near: one slip for every three
/// letters, where a slip is a letter too many, too few, another one, or two in the wrong order; case and - for _ are free.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// Writes the words as people list them: "a", "a or b", "a, b or c".
std::string listed(std::span<const std::string_view> words, std::string_view conjunction = "or");

}  // namespace martlet::loadtest
