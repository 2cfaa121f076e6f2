#include "json_document.hpp"

#include "duration.hpp"
#include "suggestion.hpp"

#include <martlet/loadtest/scenario.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <stdexcept>

namespace martlet::loadtest {
namespace {

using json = nlohmann::ordered_json;

// Counts what the parser has taken: the library tells no positions with its events.
struct counting_iterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  std::size_t* taken;

  reference operator*() const { return *at; }
  counting_iterator& operator++() {
    ++at;
    ++*taken;
    return *this;
  }
  counting_iterator operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const counting_iterator& a, const counting_iterator& b) { return a.at == b.at; }
};

// RFC 6901
std::string escaped(std::string_view key) {
  std::string result;
  for (char c : key) {
    if (c == '~') result += "~0";
    else if (c == '/') result += "~1";
    else result += c;
  }
  return result;
}

// "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error ..." without what we say ourselves.
std::string sentence_of(const nlohmann::detail::exception& error) {
  const std::string_view whole = error.what();
  const auto place = whole.find("column ");
  const auto colon = whole.find(": ", place == std::string_view::npos ? 0 : place);
  if (colon != std::string_view::npos) return std::string(whole.substr(colon + 2));
  const auto bracket = whole.find("] ");
  return std::string(bracket == std::string_view::npos ? whole : whole.substr(bracket + 2));
}

std::string number_text(double number) {
  std::array<char, 64> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

}  // namespace

/// Builds the value from the parser's events and notes where each began.
class json_builder {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  explicit json_builder(json_document& document) : document_(document) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) { return add(value); }
  bool number_float(number_float_t value, const string_t&) { return add(value); }
  bool string(string_t& value) { return add(value); }
  bool binary(binary_t&) { return true; }  // no JSON text holds one

  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    key_ = name;
    key_offset_ = token_start();
    end_token();
    auto& object = *levels_.back().value;
    if (object.contains(name)) {
      document_.fail_at(key_offset_, levels_.back().pointer + '/' + escaped(name),
                        "this key is there twice in one object");
    }
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) {
    document_.fail_at(byte == 0 ? 0 : byte - 1, "", sentence_of(error));
  }

  std::size_t taken = 0;

 private:
  struct level {
    json* value;
    std::string pointer;
  };

  // The first byte after the last token that is not space or punctuation between values.
  std::size_t token_start() const {
    const auto start = document_.text_.find_first_not_of(" \t\r\n,:", last_end_);
    return std::min(start, document_.text_.size());
  }

  // A number is only known to end when the byte after it was taken.
  void end_token(bool is_number = false) {
    last_end_ = is_number && taken > 0 && taken < document_.text_.size() ? taken - 1 : taken;
  }

  json* place(json value, std::size_t offset) {
    if (levels_.empty()) {
      document_.places_[""] = {offset, offset};
      document_.root_ = std::move(value);
      pointer_.clear();
      return &document_.root_;
    }
    auto& parent = *levels_.back().value;
    if (parent.is_array()) {
      pointer_ = levels_.back().pointer + '/' + std::to_string(parent.size());
      document_.places_[pointer_] = {offset, offset};
      parent.push_back(std::move(value));
      return &parent.back();
    }
    pointer_ = levels_.back().pointer + '/' + escaped(key_);
    document_.places_[pointer_] = {key_offset_, offset};
    return &(parent[key_] = std::move(value));
  }

  bool add(json value) {
    const bool is_number = value.is_number();
    place(std::move(value), token_start());
    end_token(is_number);
    return true;
  }

  bool open(json value) {
    const auto offset = token_start();
    end_token();
    json* added = place(std::move(value), offset);
    if (levels_.size() == json_document::deepest)
      document_.fail_at(offset, pointer_,
                        "expected at most " + std::to_string(json_document::deepest) + " levels of nesting");
    levels_.push_back({added, pointer_});
    return true;
  }

  bool close() {
    levels_.pop_back();
    end_token();
    return true;
  }

  json_document& document_;
  // The pointers stay valid: an ancestor's container grows only when the values inside its newest one are complete.
  std::vector<level> levels_;
  std::string key_;
  std::string pointer_;
  std::size_t key_offset_ = 0;
  std::size_t last_end_ = 0;
};

json_document::json_document(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
  json_builder builder(*this);
  json::sax_parse(counting_iterator{text_.data(), &builder.taken},
                  counting_iterator{text_.data() + text_.size(), &builder.taken}, &builder);
}

void json_document::fail(const std::string& pointer, const std::string& sentence) const {
  const auto found = places_.find(pointer);
  fail_at(found == places_.end() ? 0 : found->second.value, pointer, sentence);
}

void json_document::fail_at_key(const std::string& pointer, const std::string& sentence) const {
  const auto found = places_.find(pointer);
  fail_at(found == places_.end() ? 0 : found->second.key, pointer, sentence);
}

void json_document::fail_at(std::size_t offset, const std::string& pointer, const std::string& sentence) const {
  const auto before = text_.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_start = before.rfind('\n');
  const auto column = offset - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  throw scenario_error(file_ + ':' + std::to_string(line) + ':' + std::to_string(column) + ": " +
                       (pointer.empty() ? "" : pointer + ": ") + sentence);
}

void json_place::expected(std::string_view what) const {
  constexpr std::size_t most_shown = 60;
  auto found = value_->dump(-1, ' ', false, json::error_handler_t::replace);
  if (found.size() > most_shown) {
    // Cut between characters, not inside one of several bytes.
    auto length = most_shown;
    while (length > 0 && (static_cast<unsigned char>(found[length]) & 0xc0) == 0x80) --length;
    found = found.substr(0, length) + " ...";
  }
  fail("expected " + std::string(what) + ", found " + found);
}

void json_place::expect_object() const {
  if (!value_->is_object()) expected("an object");
}

void json_place::expect_keys(std::span<const std::string_view> known) const {
  expect_object();
  for (const auto& [key, value] : value_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto guess = nearest(key, known);
    json_place(*document_, value, pointer_ + '/' + escaped(key))
        .fail_at_key("unknown key" + (guess.empty() ? ": expected one of " + listed(known)
                                                    : "; did you mean \"" + std::string(guess) + "\"?"));
  }
}

json_place json_place::at(std::string_view key) const {
  if (auto found = find(key)) return *found;
  fail("the key \"" + std::string(key) + "\" is missing here");
}

std::optional<json_place> json_place::find(std::string_view key) const {
  expect_object();
  const auto found = value_->find(std::string(key));
  if (found == value_->end()) return std::nullopt;
  return json_place(*document_, *found, pointer_ + '/' + escaped(key));
}

std::vector<json_place> json_place::items(std::size_t fewest, std::size_t most) const {
  if (!value_->is_array()) expected("an array");
  if (value_->size() < fewest || value_->size() > most)
    fail("expected " + std::to_string(fewest) + " to " + std::to_string(most) + " entries, found " +
         std::to_string(value_->size()));
  std::vector<json_place> result;
  for (std::size_t i = 0; i != value_->size(); ++i)
    result.push_back(json_place(*document_, (*value_)[i], pointer_ + '/' + std::to_string(i)));
  return result;
}

std::vector<std::pair<std::string, json_place>> json_place::members() const {
  expect_object();
  std::vector<std::pair<std::string, json_place>> result;
  for (const auto& [key, value] : value_->items())
    result.emplace_back(key, json_place(*document_, value, pointer_ + '/' + escaped(key)));
  return result;
}

std::string json_place::as_string() const {
  if (!value_->is_string()) expected("a string");
  return value_->get<std::string>();
}

bool json_place::as_bool() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

std::uint64_t json_place::as_integer(std::uint64_t least, std::uint64_t most) const {
  const auto what = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  // 1e6 and 10.0 are whole numbers for JSON Schema, so they are for us.
  if (value_->is_number_float()) {
    const auto number = value_->get<double>();
    if (number < 0 || number >= 0x1p64 || number != std::floor(number)) expected(what);
    const auto whole = static_cast<std::uint64_t>(number);
    if (whole < least || whole > most) expected(what);
    return whole;
  }
  if (!value_->is_number_unsigned()) expected(what);
  const auto number = value_->get<std::uint64_t>();
  if (number < least || number > most) expected(what);
  return number;
}

double json_place::as_number_above_zero(double most) const {
  const auto number = value_->is_number() ? value_->get<double>() : 0;
  if (!(number > 0) || number > most) expected("a number above 0, at most " + number_text(most));
  return number;
}

double json_place::as_number_between(double least, double most) const {
  const auto number = value_->is_number() ? value_->get<double>() : least - 1;
  if (!(number >= least) || number > most) {
    expected("a number from " + number_text(least) + " to " + number_text(most));
  }
  return number;
}

std::chrono::nanoseconds json_place::as_duration(std::chrono::nanoseconds least) const {
  if (!value_->is_string()) expected("a duration such as \"100ms\", \"1.5s\" or \"2m\"");
  std::chrono::nanoseconds duration{};
  try {
    duration = parse_duration(value_->get<std::string>());
  } catch (const std::invalid_argument& error) {
    fail(error.what());
  }
  if (duration < least) expected("a duration of at least " + to_text(least));
  return duration;
}

std::string_view json_place::as_choice(std::span<const std::string_view> choices) const {
  if (value_->is_string()) {
    const auto& word = value_->get_ref<const std::string&>();
    const auto found = std::find(choices.begin(), choices.end(), word);
    if (found != choices.end()) return *found;
  }
  expected("one of " + listed(choices));
}

}  // namespace martlet::loadtest
