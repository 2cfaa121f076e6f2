#pragma once

/// A board on which queens stand in the first rows, for bench/compare/nqueens.
struct board {
  static constexpr int size = 12;
  static constexpr long solutions = 14'200;

  int rows = 0;
  unsigned columns = 0;  // that are taken
  unsigned falling = 0;  // diagonals that are taken in the next row
  unsigned rising = 0;

  bool is_full() const { return rows == size; }
  bool allows(int column) const { return ((columns | falling | rising) >> column & 1U) == 0; }
  board with(int column) const {
    const unsigned queen = 1U << column;
    return {rows + 1, columns | queen, (falling | queen) >> 1, (rising | queen) << 1};
  }
};
