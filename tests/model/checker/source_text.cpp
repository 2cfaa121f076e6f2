#include "source_text.hpp"

#include <fstream>
#include <map>
#include <regex>
#include <vector>

namespace martlet::model {

namespace {

const std::string& line_at(const site& at) {
  static std::map<std::string, std::vector<std::string>> files;
  static const std::string nothing;
  auto [found, is_new] = files.try_emplace(at.file);
  if (is_new) {
    std::ifstream file(std::string(MARTLET_MODEL_BUILD_ROOT "/") + at.file);
    for (std::string line; std::getline(file, line);) {
      found->second.push_back(line);
    }
  }
  return at.line >= 1 && at.line <= found->second.size() ? found->second[at.line - 1] : nothing;
}

}  // namespace

std::string code_at(const site& at) {
  std::string code = line_at(at);
  code.erase(std::min(code.find("//"), code.size()));
  code.erase(0, std::min(code.find_first_not_of(' '), code.size()));
  code.erase(code.find_last_not_of(' ') + 1);
  return code;
}

// A statement may go on in the next lines, and its labels stand behind the last.
std::string labels_at(const site& at) {
  static const std::regex label(R"(\[[a-z]+\.[a-z_]+\])");
  std::string labels;
  for (unsigned line = at.line; line < at.line + 4; ++line) {
    const std::string& text = line_at({at.file, line});
    const std::string comment = text.substr(std::min(text.find("//"), text.size()));
    for (std::sregex_iterator found(comment.begin(), comment.end(), label), end; found != end; ++found) {
      labels += (labels.empty() ? "" : " ") + found->str();
    }
    const std::string code = code_at({at.file, line});
    if (code.empty() || code.find_last_of(";{}") == code.size() - 1) {
      break;
    }
  }
  return labels;
}

std::string object_at(const site& at) {
  static const std::regex call(R"((\w+)(\[[^\]]*\])?(\.|->)(load|store|exchange|fetch_\w+|compare_exchange_\w+)\()");
  const std::string code = code_at(at);
  const std::sregex_iterator first(code.begin(), code.end(), call);
  const auto count = std::distance(first, std::sregex_iterator{});
  return count == 1 ? (*first)[1].str() : std::string{};
}

std::string short_path(const std::string& file) {
  std::size_t start = 0;
  while (file.compare(start, 3, "../") == 0) {
    start += 3;
  }
  return file.substr(start);
}

}  // namespace martlet::model
