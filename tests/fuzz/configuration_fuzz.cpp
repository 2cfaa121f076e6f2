#include <martlet/base/processors.hpp>
#include <martlet/scheduler.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <stdlib.h>

#include "fuzzing.hpp"

namespace {

using martlet::testing::claim;
namespace files = std::filesystem;

// A folder that stands for `/`, with the files that the kernel has for control groups.
class fake_root {
 public:
  fake_root() {
    std::string name = (files::temp_directory_path() / "martlet-fuzz-XXXXXX").string();
    claim(::mkdtemp(name.data()) != nullptr, "there is a folder for temporary files");
    path_ = name;
    files::create_directories(path_ / "proc/self");
    files::create_directories(path_ / "sys/fs/cgroup/a");
  }
  fake_root(const fake_root&) = delete;
  fake_root& operator=(const fake_root&) = delete;
  ~fake_root() { files::remove_all(path_); }

  void put(const char* file, std::string_view text) { std::ofstream(path_ / file) << text; }
  std::string path() const { return path_.string(); }

 private:
  files::path path_;
};

// Takes what lies before the next line that is only "--".
std::string_view next_part(std::string_view& text) {
  const std::size_t end = text.find("\n--\n");
  const std::string_view part = text.substr(0, end == std::string_view::npos ? end : end + 1);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 4);
  return part;
}

}  // namespace

// The parts of the input are files; the last is what MARTLET_WORKERS says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fake_root root;
  std::string_view text = martlet::testing::text_of(data, size);
  for (const char* file :
       {"proc/self/mountinfo", "proc/self/cgroup", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/a/cpu.max",
        "sys/fs/cgroup/a/cpu.cfs_quota_us", "sys/fs/cgroup/a/cpu.cfs_period_us"}) {
    root.put(file, next_part(text));
  }
  static_cast<void>(martlet::base::control_group_quota(root.path()));

  std::string workers(next_part(text));
  workers.resize(workers.find_first_of(std::string_view("\n\0", 2)) == std::string::npos
                     ? workers.size()
                     : workers.find_first_of(std::string_view("\n\0", 2)));
  ::setenv("MARTLET_WORKERS", workers.c_str(), 1);
  try {
    const unsigned count = martlet::detail::workers_from_environment();
    claim(count <= 4096 && (count > 0 || workers.empty()), "a count of workers is in range");
  } catch (const martlet::misuse&) {  // says what was found
  }
  return 0;
}
