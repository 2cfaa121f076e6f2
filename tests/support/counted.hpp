#pragma once

#include <martlet/base/atomic.hpp>

namespace martlet::testing {

/// What happened to all values of a test. Each value that was made has to be destroyed once.
struct tally {
  base::atomic<int> made{0};  // by whatever constructor
  base::atomic<int> copied{0};
  base::atomic<int> destroyed{0};
  base::atomic<int> twice{0};  // destroyed, or used, after its end

  int alive() const { return made.load() - destroyed.load(); }
  bool is_balanced() const { return alive() == 0 && twice.load() == 0; }
};

/// A value that counts its constructions and destructions, and notices when it dies twice.
class counted {
 public:
  counted(tally& all, int value) : all_(&all), value_(value) { ++all_->made; }
  counted(counted&& other) noexcept : all_(other.all_), value_(other.value_) {
    check(other);
    other.value_ = moved_from;
    ++all_->made;
  }
  counted(const counted& other) : all_(other.all_), value_(other.value_) {
    check(other);
    ++all_->made;
    ++all_->copied;
  }
  counted& operator=(counted&& other) noexcept {
    check(other);
    value_ = other.value_;
    other.value_ = moved_from;
    return *this;
  }
  counted& operator=(const counted& other) noexcept {
    check(other);
    value_ = other.value_;
    ++all_->copied;
    return *this;
  }
  ~counted() {
    check(*this);
    mark_ = dead;
    ++all_->destroyed;
  }

  int value() const {
    check(*this);
    return value_;
  }

  static constexpr int moved_from = -1;

 private:
  static constexpr unsigned alive = 0x600dU;
  static constexpr unsigned dead = 0xdeadU;

  void check(const counted& who) const noexcept {
    if (who.mark_ != alive) {
      ++all_->twice;
    }
  }

  tally* all_;
  int value_;
  volatile unsigned mark_ = alive;  // volatile: a store before the end of a life is kept
};

}  // namespace martlet::testing
