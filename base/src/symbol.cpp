#include <martlet/base/symbol.hpp>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <cxxabi.h>
#include <dlfcn.h>

namespace martlet::base {
namespace {

std::string hexadecimal(std::uintptr_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace

std::string symbol_at(const void* code) {
  Dl_info found{};
  if (::dladdr(code, &found) == 0 || found.dli_fname == nullptr) {
    return hexadecimal(reinterpret_cast<std::uintptr_t>(code));
  }
  if (found.dli_sname != nullptr) {
    int error = 0;
    const std::unique_ptr<char, void (*)(void*)> readable(abi::__cxa_demangle(found.dli_sname, nullptr, nullptr,
                                                                              &error),
                                                          &std::free);
    return error == 0 ? readable.get() : found.dli_sname;
  }
  const std::string_view file = found.dli_fname;
  return std::string(file.substr(file.rfind('/') + 1)) + '+' +
         hexadecimal(reinterpret_cast<std::uintptr_t>(code) - reinterpret_cast<std::uintptr_t>(found.dli_fbase));
}

}  // namespace martlet::base
