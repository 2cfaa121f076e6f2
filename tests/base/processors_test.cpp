#include <martlet/base/processors.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <sched.h>
#include <stdlib.h>

namespace {

namespace base = martlet::base;
namespace files = std::filesystem;

// A folder that stands for `/`, with the files that a test puts there.
class fake_root {
 public:
  fake_root() {
    std::string name = (files::temp_directory_path() / "martlet-root-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  fake_root(const fake_root&) = delete;
  fake_root& operator=(const fake_root&) = delete;
  ~fake_root() { files::remove_all(path_); }

  fake_root& put(const std::string& file, const std::string& text) {
    const files::path at = path_ / file;
    files::create_directories(at.parent_path());
    std::ofstream(at) << text;
    return *this;
  }
  fake_root& put_quota(const std::string& folder, const std::string& quota, const std::string& period = "100000\n") {
    return put(folder + "/cpu.cfs_quota_us", quota).put(folder + "/cpu.cfs_period_us", period);
  }
  unsigned quota() const { return base::control_group_quota(path_.string()); }

 private:
  files::path path_;
};

const std::string plain_mounts =
    "22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "23 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n";
const std::string new_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string old_mount =
    "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:28 / /sys/fs/cgroup/cpuset rw,nosuid shared:11 - cgroup cgroup rw,cpuset\n";

TEST_SUITE("processors") {
  TEST_CASE("there is at least one, and no more than the affinity mask has") {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    REQUIRE(sched_getaffinity(0, sizeof mask, &mask) == 0);
    CHECK(base::usable_processors() >= 1);
    CHECK(base::usable_processors() <= static_cast<unsigned>(CPU_COUNT(&mask)));
  }

  TEST_CASE("a narrower mask is respected") {
    cpu_set_t before;
    CPU_ZERO(&before);
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    std::thread([&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &before)) {
          CPU_SET(i, &one);
          break;
        }
      }
      REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
      CHECK(base::usable_processors() == 1);
    }).join();
  }
}

TEST_SUITE("quota of control groups, version 2") {
  TEST_CASE("it is rounded up to whole processors") {
    const auto quota = [](const std::string& text) {
      return fake_root()
          .put("proc/self/mountinfo", plain_mounts + new_mount)
          .put("proc/self/cgroup", "0::/app\n")
          .put("sys/fs/cgroup/app/cpu.max", text)
          .quota();
    };
    CHECK(quota("100000 100000\n") == 1);
    CHECK(quota("150000 100000\n") == 2);
    CHECK(quota("100001 100000\n") == 2);
    CHECK(quota("200000 100000\n") == 2);
    CHECK(quota("10000 100000\n") == 1);
    CHECK(quota("50000 25000\n") == 2);
    CHECK(quota("9223372036854775807 1\n") == 4294967295U);
  }

  TEST_CASE("without a number there is none") {
    for (const char* text : {"max 100000\n", "max\n", "", "\n", "abc def\n", "100000\n", "100000 0\n", "-1 100000\n",
                             "100000 -5\n", "1e5 100000\n", "100000x 100000\n", "99999999999999999999 100000\n"}) {
      CAPTURE(text);
      CHECK(fake_root()
                .put("proc/self/mountinfo", plain_mounts + new_mount)
                .put("proc/self/cgroup", "0::/app\n")
                .put("sys/fs/cgroup/app/cpu.max", text)
                .quota() == 0);
    }
  }

  TEST_CASE("a parent's quota binds too, and the smallest counts") {
    fake_root root;
    root.put("proc/self/mountinfo", plain_mounts + new_mount)
        .put("proc/self/cgroup", "0::/slice/app/worker\n")
        .put("sys/fs/cgroup/slice/cpu.max", "300000 100000\n")
        .put("sys/fs/cgroup/slice/app/cpu.max", "max 100000\n")
        .put("sys/fs/cgroup/slice/app/worker/cpu.max", "800000 100000\n")
        .put("sys/fs/cgroup/other/cpu.max", "100000 100000\n");
    CHECK(root.quota() == 3);
    root.put("sys/fs/cgroup/slice/app/worker/cpu.max", "200000 100000\n");
    CHECK(root.quota() == 2);
    root.put("sys/fs/cgroup/cpu.max", "100000 100000\n");  // a container's own root
    CHECK(root.quota() == 1);
  }

  TEST_CASE("the mount may lie elsewhere, show a part of the tree only, and have blanks in its name") {
    CHECK(fake_root()
              .put("proc/self/mountinfo", "30 23 0:26 /docker/a1 /my\\040groups rw - cgroup2 none rw\n")
              .put("proc/self/cgroup", "0::/docker/a1/inner\n")
              .put("my groups/cpu.max", "500000 100000\n")
              .put("my groups/inner/cpu.max", "400000 100000\n")
              .quota() == 4);
    // A group of a similar name, and one outside of the namespace: then what is seen at the mount is all that is known.
    for (const char* group : {"0::/docker/a10/inner\n", "0::/../b2/inner\n"}) {
      CHECK(fake_root()
                .put("proc/self/mountinfo", "30 23 0:26 /docker/a1 /groups rw - cgroup2 none rw\n")
                .put("proc/self/cgroup", group)
                .put("groups/cpu.max", "500000 100000\n")
                .put("groups/inner/cpu.max", "400000 100000\n")
                .quota() == 5);
    }
  }
}

TEST_SUITE("quota of control groups, version 1") {
  TEST_CASE("it is read where the controller of processors is mounted") {
    fake_root root;
    root.put("proc/self/mountinfo", plain_mounts + old_mount)
        .put("proc/self/cgroup", "5:cpuset:/sets\n4:cpu,cpuacct:/app\n1:name=systemd:/app\n")
        .put_quota("sys/fs/cgroup/cpu,cpuacct/app", "150000\n")
        .put_quota("sys/fs/cgroup/cpuset/sets", "100000\n")
        .put_quota("sys/fs/cgroup/cpu,cpuacct/sets", "100000\n");
    CHECK(root.quota() == 2);
    root.put_quota("sys/fs/cgroup/cpu,cpuacct", "100000\n");
    CHECK(root.quota() == 1);
  }

  TEST_CASE("without a number there is none") {
    for (const char* text : {"-1\n", "", "max\n", "0\n", "12 34x"}) {
      CAPTURE(text);
      const unsigned expected = std::string(text) == "12 34x" ? 1 : 0;  // the first word counts
      CHECK(fake_root()
                .put("proc/self/mountinfo", plain_mounts + old_mount)
                .put("proc/self/cgroup", "4:cpu,cpuacct:/app\n")
                .put_quota("sys/fs/cgroup/cpu,cpuacct/app", text)
                .quota() == expected);
    }
    CHECK(fake_root()
              .put("proc/self/mountinfo", plain_mounts + old_mount)
              .put("proc/self/cgroup", "4:cpu,cpuacct:/app\n")
              .put("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "100000\n")
              .quota() == 0);
  }

  TEST_CASE("both versions side by side: the smaller counts") {
    fake_root root;
    root.put("proc/self/mountinfo",
             plain_mounts + old_mount + "33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
        .put("proc/self/cgroup", "4:cpu,cpuacct:/app\n0::/user/app\n")
        .put_quota("sys/fs/cgroup/cpu,cpuacct/app", "300000\n");
    CHECK(root.quota() == 3);
    root.put("sys/fs/cgroup/unified/user/cpu.max", "200000 100000\n");
    CHECK(root.quota() == 2);
  }
}

TEST_SUITE("control groups that cannot be read") {
  TEST_CASE("they set no quota") {
    CHECK(fake_root().quota() == 0);
    CHECK(fake_root().put("proc/self/cgroup", "0::/app\n").quota() == 0);
    CHECK(fake_root().put("proc/self/mountinfo", plain_mounts + new_mount).quota() == 0);
    CHECK(fake_root()
              .put("proc/self/mountinfo", "nothing\n\n1 2 3\n- - -\n31 23 0:27 /\n" + new_mount)
              .put("proc/self/cgroup", "\nnonsense\n::\n0:\n0::\n0::app\n7:cpu\n4:cpu:/app\n")
              .put("sys/fs/cgroup/app/cpu.max", "100000 100000\n")
              .quota() == 0);
  }
}

}  // namespace
