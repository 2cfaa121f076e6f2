#pragma once

#include <string>
#include <utility>

namespace martlet::testing {

/// Returns   what `body` throws as an `Error`, as text; "nothing" when it throws nothing.
template <class Error, class F>
std::string thrown_by(F&& body) {
  try {
    std::forward<F>(body)();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace martlet::testing
