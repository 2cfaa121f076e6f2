#include <martlet/loadtest/histogram_codec.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace {

using namespace martlet::loadtest;

histogram random_histogram(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  histogram values;
  for (std::size_t i = 0; i != seed * 50; ++i) values.record(random() >> (1 + random() % 63), 1 + random() % 1'000);
  if (seed % 3 == 0) values.record(1, std::uint64_t{1} << 61);  // a count of nine bytes
  return values;
}

// The exact extremes are not in the format.
bool have_equal_counts(const histogram& a, const histogram& b) {
  if (a.count() != b.count()) return false;
  for (std::size_t i = 0; i != histogram::bucket_count; ++i)
    if (a.count_at(i) != b.count_at(i)) return false;
  return true;
}

}  // namespace

TEST_SUITE("histogram codec") {
  TEST_CASE("what was encoded is decoded, plain and compressed") {
    for (std::uint64_t seed = 0; seed != 30; ++seed) {
      CAPTURE(seed);
      const auto original = random_histogram(seed);
      CHECK(have_equal_counts(decode(encode(original)), original));
      CHECK(have_equal_counts(decode(encode_compressed(original)), original));
      CHECK(have_equal_counts(decode(from_base64(to_base64(encode_compressed(original)))), original));
    }
  }

  TEST_CASE("a decoded histogram has the extremes of its buckets") {
    histogram original;
    original.record(1'000'000);
    const auto decoded = decode(encode(original));
    CHECK(decoded.min() == histogram::lowest_of(histogram::index_of(1'000'000)));
    CHECK(decoded.max() == histogram::highest_of(histogram::index_of(1'000'000)));
  }

  TEST_CASE("HdrHistogram's own bytes are read") {
    // HdrHistogram 0.10 for Python: 1 .. 3,600,000,000,000 with 3 digits; 1, 1000 (twice), 2048, 123456789 (300 times) and
    // 3,600,000,000,000 were recorded.
    const auto theirs =
        decode(from_base64("HISTFAAAADJ4nJNpmSzMwMAgyAABzFCaEch0M9ixgMH+A1SA6TQ/y1oBps1/GW+w3H/DyAQAyiQKVw=="));
    CHECK(theirs.count() == 305);
    CHECK(theirs.count_at(histogram::index_of(1)) == 1);
    CHECK(theirs.count_at(histogram::index_of(1'000)) == 2);
    CHECK(theirs.count_at(histogram::index_of(2'048)) == 1);
    CHECK(theirs.count_at(histogram::index_of(123'456'789)) == 300);
    CHECK(theirs.count_at(histogram::index_of(3'600'000'000'000)) == 1);
  }

  TEST_CASE("the uncompressed bytes are the ones that the format asks for") {
    histogram values;
    values.record(1);
    values.record(3, 200);
    const std::string expected(
        "\x1c\x84\x93\x13"
        "\x00\x00\x00\x05"
        "\x00\x00\x00\x00"
        "\x00\x00\x00\x03"
        "\x00\x00\x00\x00\x00\x00\x00\x01"
        "\x00\x00\x03\x46\x7f\xff\xff\xff"
        "\x3f\xf0\x00\x00\x00\x00\x00\x00"
        "\x00"
        "\x02"
        "\x00"
        "\x90\x03",
        45);
    CHECK(encode(values) == expected);
  }

  TEST_CASE("every truncation and every other cookie is refused") {
    const auto plain = encode(random_histogram(4));
    const auto compressed = encode_compressed(random_histogram(4));
    for (std::size_t length = 0; length < plain.size(); length += 1 + length / 40)
      CHECK_THROWS_AS(decode(std::string_view(plain).substr(0, length)), histogram_format_error);
    for (std::size_t length = 0; length < compressed.size(); length += 1 + length / 40)
      CHECK_THROWS_AS(decode(std::string_view(compressed).substr(0, length)), histogram_format_error);
    CHECK_THROWS_WITH(decode("\x1c\x84\x93\x03 and so on"), doctest::Contains("V2"));
    CHECK_THROWS_AS(decode(plain + '\0'), histogram_format_error);
  }

  TEST_CASE("damaged bytes are refused or read as some histogram, never more") {
    const auto plain = encode(random_histogram(5));
    const auto compressed = encode_compressed(random_histogram(5));
    std::mt19937_64 random(5);
    for (int i = 0; i != 3'000; ++i) {
      auto damaged = i % 2 == 0 ? plain : compressed;
      for (int change = 0; change != 1 + i % 3; ++change)
        damaged[random() % damaged.size()] = static_cast<char>(static_cast<unsigned char>(random()));
      try {
        (void)decode(damaged);
      } catch (const histogram_format_error&) {}
    }
  }

  TEST_CASE("another layout is refused with what was expected and found") {
    auto two_digits = encode(random_histogram(1));
    two_digits[15] = 2;
    CHECK_THROWS_WITH(decode(two_digits), "expected a histogram with significant digits 3, found 2");
    auto micros = encode(random_histogram(1));
    micros[22] = 4;
    CHECK_THROWS_WITH(decode(micros), "expected a histogram with lowest discernible value 1, found 1025");
  }

  TEST_CASE("more buckets than there are do not overflow") {
    auto bytes = encode(histogram{});
    bytes[7] = 9;  // one count of nine bytes: -2^63, the longest run of zeros that can be written
    CHECK_THROWS_WITH(decode(bytes + std::string(9, '\xff')), doctest::Contains("more than 56320 buckets"));
  }

  TEST_CASE("base64 is RFC 4648's") {
    const std::string_view words[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    const std::string_view texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (std::size_t i = 0; i != std::size(words); ++i) {
      CHECK(to_base64(words[i]) == texts[i]);
      CHECK(from_base64(texts[i]) == words[i]);
    }
    CHECK_THROWS_AS(from_base64("Zg="), histogram_format_error);
    CHECK_THROWS_AS(from_base64("Z=g="), histogram_format_error);
    CHECK_THROWS_WITH(from_base64("Zm9v Zm9"), "expected base64, found another character at position 5");
  }
}
