#include <martlet/loadtest/target.hpp>

#include <algorithm>
#include <charconv>

namespace martlet::loadtest {
namespace {

[[noreturn]] void refuse(std::string_view expected, std::string_view url) {
  throw std::invalid_argument("expected " + std::string(expected) + ", found \"" + std::string(url) + '"');
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_address6_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

}  // namespace

std::string target::authority() const {
  auto text = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != 80) text += ':' + std::to_string(port);
  return text;
}

std::string target::url() const { return "http://" + authority() + base_path; }

target parse_target(std::string_view url) {
  constexpr std::string_view shape = "a URL such as \"http://localhost:8080\" or \"http://[::1]:8080/base\"";
  constexpr std::string_view scheme = "http://";
  if (url.starts_with("https://")) refuse("a URL that begins with http:// (TLS is not there yet)", url);
  if (!url.starts_with(scheme)) refuse(shape, url);

  target result;
  auto rest = url.substr(scheme.size());
  auto authority = rest.substr(0, rest.find_first_of("/?#"));
  auto path = rest.substr(authority.size());
  if (authority.find('@') != std::string_view::npos)
    refuse("a URL without user and password (give an Authorization header to the requests)", url);

  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) refuse(shape, url);
    result.host = authority.substr(1, end - 1);
    if (result.host.find(':') == std::string::npos ||
        !std::all_of(result.host.begin(), result.host.end(), is_address6_character))
      refuse("an IPv6 address between [ and ]", url);
    authority.remove_prefix(end + 1);
  } else {
    const auto end = std::min(authority.find(':'), authority.size());
    result.host = authority.substr(0, end);
    if (result.host.empty() || result.host.size() > 253 ||
        !std::all_of(result.host.begin(), result.host.end(), is_host_character))
      refuse("a host name or address of letters, digits, dots and hyphens (IPv6 between [ and ])", url);
    authority.remove_prefix(end);
  }

  if (!authority.empty()) {
    if (!authority.starts_with(':')) refuse(shape, url);
    authority.remove_prefix(1);
    const auto [end, error] = std::from_chars(authority.data(), authority.data() + authority.size(), result.port);
    if (error != std::errc{} || end != authority.data() + authority.size() || result.port == 0)
      refuse("a port from 1 to 65535 after the colon", url);
  }

  if (path.find_first_of("?#") != std::string_view::npos)
    refuse("a URL without ? and # (a query belongs to the path of a request)", url);
  if (std::any_of(path.begin(), path.end(), [](char c) { return c <= ' ' || c > '~'; }))
    refuse("a path of printable ASCII characters (write others as %XX)", url);
  while (path.ends_with('/')) path.remove_suffix(1);
  result.base_path = path;
  return result;
}

}  // namespace martlet::loadtest
