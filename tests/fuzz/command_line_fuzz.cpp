#include <filesystem>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "fuzzing.hpp"

// Each line is an argument of `martlet-load check`. Names of files with a slash are left out, and so is everything that could
// begin a run.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = martlet::testing::text_of(data, size);
  if (text.find('/') != std::string_view::npos || text.find("run") != std::string_view::npos ||
      text.find('\0') != std::string_view::npos) {
    return 0;
  }
  static const bool is_elsewhere = [] {
    std::filesystem::current_path("/proc/self/fdinfo");  // has no scenario, and nobody can write there
    return true;
  }();
  static_cast<void>(is_elsewhere);
  std::vector<std::string> lines{"martlet-load", "check"};
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::vector<const char*> arguments;
  for (const std::string& line : lines) {
    arguments.push_back(line.c_str());
  }
  const int code = martlet::loadtest::run_command_line(static_cast<int>(arguments.size()), arguments.data());
  martlet::testing::claim(code == 0 || code == 2, "a wrong call is told by its exit code");
  return 0;
}
