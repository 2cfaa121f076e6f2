#include <martlet/net/error.hpp>

#include <martlet/net/socket.hpp>

namespace martlet {

namespace net {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "martlet.net"; }
  std::string message(int code) const override {
    return code == static_cast<int>(errc::closed) ? "the socket was closed on this side" : "unknown error";
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const category& one = *new category;
  return one;
}

}  // namespace net

namespace detail {

void throw_system_error(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

}  // namespace detail

}  // namespace martlet
