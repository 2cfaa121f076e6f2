#include <martlet/loadtest/histogram_codec.hpp>

#include <zlib.h>

#include <array>
#include <bit>
#include <concepts>

namespace martlet::loadtest {
namespace {

constexpr std::uint32_t plain_cookie = 0x1c849313;  // V2, one byte a count at least
constexpr std::uint32_t compressed_cookie = 0x1c849314;
constexpr std::size_t header_size = 40;
constexpr std::size_t largest_number = 9;              // bytes of one ZigZag LEB128-64b9B number
constexpr std::uint64_t one_hour = 3'600'000'000'000;  // ns: what readers that size their arrays by the header expect

template <std::unsigned_integral Word>
void put(std::string& out, Word word) {
  for (int shift = 8 * (static_cast<int>(sizeof(Word)) - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<unsigned char>(word >> shift)));
}

void put_number(std::string& out, std::int64_t number) {
  auto bits = (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
  for (std::size_t byte = 1; byte < largest_number && bits >= 0x80; ++byte) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(bits | 0x80)));
    bits >>= 7;
  }
  out.push_back(static_cast<char>(static_cast<unsigned char>(bits)));  // the ninth byte holds eight bits
}

class byte_reader {
 public:
  explicit byte_reader(std::string_view bytes) : bytes_(bytes) {}

  bool is_at_end() const { return at_ == bytes_.size(); }
  std::size_t left() const { return bytes_.size() - at_; }

  template <std::unsigned_integral Word>
  Word take() {
    Word word = 0;
    for (std::size_t i = 0; i != sizeof(Word); ++i)
      word = static_cast<Word>((static_cast<std::uint64_t>(word) << 8) | take_byte());
    return word;
  }

  std::int64_t take_number() {
    std::uint64_t bits = 0;
    for (std::size_t byte = 0;; ++byte) {
      const std::uint64_t next = take_byte();
      const bool is_last = byte == largest_number - 1;
      bits |= (is_last ? next : next & 0x7f) << (7 * byte);
      if (is_last || next < 0x80) break;
    }
    return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  }

  std::string_view rest() { return bytes_.substr(at_); }

 private:
  std::uint64_t take_byte() {
    if (is_at_end())
      throw histogram_format_error("the histogram ends after " + std::to_string(at_) +
                                   " bytes, in the middle of a number");
    return static_cast<unsigned char>(bytes_[at_++]);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

std::string inflated(std::string_view compressed) {
  // No histogram is larger than this, whatever the input claims.
  std::string plain(header_size + largest_number * histogram::bucket_count, '\0');
  auto size = static_cast<uLongf>(plain.size());
  const int result =
      uncompress(reinterpret_cast<Bytef*>(plain.data()), &size, reinterpret_cast<const Bytef*>(compressed.data()),
                 static_cast<uLong>(compressed.size()));
  if (result == Z_MEM_ERROR) throw std::bad_alloc();
  if (result != Z_OK) throw histogram_format_error("the compressed part of the histogram is damaged or too large");
  plain.resize(size);
  return plain;
}

void expect(std::string_view what, std::uint64_t expected, std::uint64_t found) {
  if (expected == found) return;
  throw histogram_format_error("expected a histogram with " + std::string(what) + ' ' + std::to_string(expected) +
                               ", found " + std::to_string(found));
}

histogram decode_plain(byte_reader in) {
  const auto payload = in.take<std::uint32_t>();
  expect("normalizing index offset", 0, in.take<std::uint32_t>());
  expect("significant digits", histogram::significant_digits, in.take<std::uint32_t>());
  expect("lowest discernible value", 1, in.take<std::uint64_t>());
  in.take<std::uint64_t>();  // the highest trackable value: ours counts all
  if (std::bit_cast<double>(in.take<std::uint64_t>()) != 1.0)
    throw histogram_format_error("expected a histogram of integers (conversion ratio 1), found one of doubles");
  if (payload != in.left())
    throw histogram_format_error("expected " + std::to_string(payload) + " bytes of counts, found " +
                                 std::to_string(in.left()));

  histogram values;
  for (std::uint64_t index = 0; !in.is_at_end();) {
    const auto number = in.take_number();
    // A negative number is a run of that many empty buckets. The negation is unsigned: -INT64_MIN would overflow.
    const auto step = number < 0 ? ~static_cast<std::uint64_t>(number) + 1 : 1;
    if (step > histogram::bucket_count - index)
      throw histogram_format_error("the histogram has more than " + std::to_string(histogram::bucket_count) +
                                   " buckets");
    if (number > 0) values.add(index, static_cast<std::uint64_t>(number));
    index += step;
  }
  return values;
}

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto base64_values = [] {
  std::array<signed char, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i != base64_digits.size(); ++i)
    values[static_cast<unsigned char>(base64_digits[i])] = static_cast<signed char>(i);
  return values;
}();

}  // namespace

std::string encode(const histogram& values) {
  std::string out;
  put(out, plain_cookie);
  put(out, std::uint32_t{0});  // the payload's length, below
  put(out, std::uint32_t{0});  // normalizing index offset
  put(out, static_cast<std::uint32_t>(histogram::significant_digits));
  put(out, std::uint64_t{1});  // lowest discernible value
  const auto highest = histogram::highest_of(histogram::index_of(std::max(values.max(), one_hour)));
  put(out, std::min(highest, std::uint64_t{0x7fff'ffff'ffff'ffff}));
  put(out, std::bit_cast<std::uint64_t>(1.0));

  std::size_t next = 0;
  values.for_each([&](std::size_t index, std::uint64_t count) {
    if (const auto zeros = index - next; zeros == 1) put_number(out, 0);
    else if (zeros > 1) put_number(out, -static_cast<std::int64_t>(zeros));
    put_number(out, static_cast<std::int64_t>(count));
    next = index + 1;
  });

  std::string payload;
  put(payload, static_cast<std::uint32_t>(out.size() - header_size));
  return out.replace(4, 4, payload);
}

std::string encode_compressed(const histogram& values) {
  const auto plain = encode(values);
  auto size = compressBound(static_cast<uLong>(plain.size()));
  std::string compressed(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(compressed.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
                static_cast<uLong>(plain.size()), Z_DEFAULT_COMPRESSION) != Z_OK)
    throw std::bad_alloc();  // with a buffer of compressBound there is no other way to fail
  compressed.resize(size);

  std::string out;
  put(out, compressed_cookie);
  put(out, static_cast<std::uint32_t>(compressed.size()));
  return out + compressed;
}

histogram decode(std::string_view bytes) {
  byte_reader in(bytes);
  const auto cookie = in.take<std::uint32_t>();
  if (cookie == plain_cookie) return decode_plain(in);
  if (cookie != compressed_cookie)
    throw histogram_format_error(
        "expected a histogram in HdrHistogram's V2 encoding, found something that begins otherwise");
  const auto size = in.take<std::uint32_t>();
  if (size != in.left())
    throw histogram_format_error("expected " + std::to_string(size) + " compressed bytes, found " +
                                 std::to_string(in.left()));
  const auto plain = inflated(in.rest());
  byte_reader inner(plain);
  if (inner.take<std::uint32_t>() != plain_cookie)
    throw histogram_format_error("the compressed part holds no histogram in HdrHistogram's V2 encoding");
  return decode_plain(inner);
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) { return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u; };
    const std::uint32_t three = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    for (unsigned digit = 0; digit != 4; ++digit)
      text.push_back(i + digit > bytes.size() ? '=' : base64_digits[(three >> (18 - 6 * digit)) & 63]);
  }
  return text;
}

std::string from_base64(std::string_view text) {
  if (text.size() % 4 != 0)
    throw histogram_format_error("expected base64, whose length is a multiple of 4, found " +
                                 std::to_string(text.size()) + " characters");
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;

  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i != text.size(); ++i) {
    const bool is_padding = i >= text.size() - padding;
    const int value = is_padding ? 0 : base64_values[static_cast<unsigned char>(text[i])];
    if (value < 0)
      throw histogram_format_error("expected base64, found another character at position " + std::to_string(i + 1));
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    if (i % 4 == 3) {
      for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(static_cast<unsigned char>(bits >> shift)));
      bits = 0;
    }
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace martlet::loadtest
