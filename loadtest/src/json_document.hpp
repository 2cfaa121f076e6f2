#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace martlet::loadtest {

/// A JSON text with the place of each of its values, so that what is wrong in it can be pointed at.
class json_document {
 public:
  /// Parses a text.
  ///
  /// Throws    scenario_error: no JSON, a key that is there twice, or nested deeper than `deepest`.
  json_document(std::string_view text, std::string file);

  static constexpr std::size_t deepest = 64;

  const nlohmann::ordered_json& root() const noexcept { return root_; }

  /// Throws scenario_error with the file, the line and column of the value at `pointer`, the pointer and the sentence.
  [[noreturn]] void fail(const std::string& pointer, const std::string& sentence) const;

  /// The same, at the key of the value.
  [[noreturn]] void fail_at_key(const std::string& pointer, const std::string& sentence) const;

 private:
  friend class json_builder;

  struct place {
    std::size_t key = 0;  // offset of the value's key, or of the value where it has none
    std::size_t value = 0;
  };

  [[noreturn]] void fail_at(std::size_t offset, const std::string& pointer, const std::string& sentence) const;

  std::string_view text_;  // only while the document is read: the caller's
  std::string file_;
  nlohmann::ordered_json root_;
  std::unordered_map<std::string, place> places_;
};

/// One value of a document, with the questions that a reader of scenarios asks; each throws scenario_error with the place.
class json_place {
 public:
  explicit json_place(const json_document& document) : json_place(document, document.root(), "") {}

  /// Checks that this is an object and has no other key than these.
  void expect_keys(std::span<const std::string_view> known) const;

  /// Gives the value of a key that has to be there.
  json_place at(std::string_view key) const;

  /// Gives the value of a key that may be there.
  std::optional<json_place> find(std::string_view key) const;

  std::vector<json_place> items(std::size_t fewest, std::size_t most) const;  // of an array
  std::vector<std::pair<std::string, json_place>> members() const;            // of an object

  bool is_object() const noexcept { return value_->is_object(); }
  bool is_array() const noexcept { return value_->is_array(); }
  bool is_string() const noexcept { return value_->is_string(); }

  std::string as_string() const;
  bool as_bool() const;
  std::uint64_t as_integer(std::uint64_t least, std::uint64_t most) const;
  double as_number_above_zero(double most) const;
  double as_number_between(double least, double most) const;
  std::chrono::nanoseconds as_duration(std::chrono::nanoseconds least) const;
  std::string_view as_choice(std::span<const std::string_view> choices) const;

  [[noreturn]] void fail(const std::string& sentence) const { document_->fail(pointer_, sentence); }
  [[noreturn]] void fail_at_key(const std::string& sentence) const { document_->fail_at_key(pointer_, sentence); }

  /// Throws "expected <what>, found <this value, shortened>".
  [[noreturn]] void expected(std::string_view what) const;

 private:
  json_place(const json_document& document, const nlohmann::ordered_json& value, std::string pointer)
      : document_(&document), value_(&value), pointer_(std::move(pointer)) {}

  void expect_object() const;

  const json_document* document_;
  const nlohmann::ordered_json* value_;
  std::string pointer_;
};

}  // namespace martlet::loadtest
