// Calls that block: a file is read, and a parallel loop of oneTBB is run, while the workers go on.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <martlet/martlet.hpp>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_reduce.h>

using namespace std::chrono_literals;

std::string read_whole_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

martlet::task<long> lines_in(std::string path) {
  const std::string text = co_await martlet::blocking([&] { return read_whole_file(path); });
  co_return std::count(text.begin(), text.end(), '\n');
}

long lines_in_fiber(const std::string& path) {
  const std::string text = martlet::await(martlet::blocking([&] { return read_whole_file(path); }));
  return std::count(text.begin(), text.end(), '\n');
}

double sum_of_roots(const std::vector<double>& values) {
  return tbb::parallel_reduce(
      tbb::blocked_range<const double*>(values.data(), values.data() + values.size()), 0.0,
      [](const auto& part, double sum) {
        for (const double x : part) {
          sum += std::sqrt(x);
        }
        return sum;
      },
      [](double a, double b) { return a + b; });
}

martlet::task<double> analyse(const std::vector<double>& values) {
  co_return co_await martlet::blocking([&] { return sum_of_roots(values); });
}

martlet::task<std::string> read_or_give_up(std::string path) {
  auto read = [path = std::move(path)] { return read_whole_file(path); };
  try {
    co_return co_await martlet::within(5s, martlet::blocking(std::ref(read)));
  } catch (const martlet::deadline_passed&) {
    co_return "";  // no thread was free for five seconds: it has not been called
  }
}

int main() {
  martlet::scheduler pool;
  const std::vector<double> nines(1000, 9.0);
  const std::string path = "/proc/self/status";
  const long lines = pool.block_on(lines_in(path));
  const bool agree = pool.block_on(pool.spawn([&] { return lines_in_fiber(path); })) == lines;
  const bool is_read = pool.block_on(read_or_give_up(path)).starts_with("Name:");
  std::printf("%ld lines\n", lines);
  return lines > 10 && agree && is_read && pool.block_on(analyse(nines)) == 3000 ? 0 : 1;
}
