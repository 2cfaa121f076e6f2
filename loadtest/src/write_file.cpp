#include "descriptor.hpp"

#include <martlet/loadtest/report.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>

namespace martlet::loadtest {
namespace {

[[noreturn]] void give_up(const std::filesystem::path& file) {
  throw std::system_error(errno, std::generic_category(), "cannot write " + file.string());
}

void write_all(int number, std::string_view contents, const std::filesystem::path& file) {
  while (!contents.empty()) {
    const auto written = ::write(number, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) give_up(file);
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
}

// A terminal, a pipe or /dev/null cannot be replaced by a file.
bool is_special(const std::filesystem::path& file) {
  struct stat found{};
  return ::stat(file.c_str(), &found) == 0 && !S_ISREG(found.st_mode);
}

}  // namespace

void write_file(const std::filesystem::path& file, std::string_view contents) {
  if (is_special(file)) {
    descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (out.number() < 0) give_up(file);
    write_all(out.number(), contents, file);
    return;
  }
  auto temporary = file.string() + ".XXXXXX";
  descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));
  if (out.number() < 0) give_up(file);
  try {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(out.number(), 0666 & ~mask) != 0) give_up(file);
    write_all(out.number(), contents, file);
    if (::fsync(out.number()) != 0 || !out.close()) give_up(file);
    if (::rename(temporary.c_str(), file.c_str()) != 0) give_up(file);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace martlet::loadtest
