// All ways to place 12 queens: a virtual thread for each queen that can be placed in the next row.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;

class Main {
  static final int QUEENS = 12;
  static final int ALL = (1 << QUEENS) - 1;

  /** A bit for each column of the next row that is under attack: straight down, and along either diagonal. */
  static int ways(int down, int left, int right) throws Exception {
    if (down == ALL) {
      return 1;
    }
    var children = new ArrayList<FutureTask<Integer>>(QUEENS);
    for (int free = ALL & ~(down | left | right); free != 0; free &= free - 1) {
      int queen = free & -free;
      children.add(Support.fork(() -> ways(down | queen, (left | queen) << 1, (right | queen) >> 1)));
    }
    int sum = 0;
    for (var child : children) {
      sum += child.get();
    }
    return sum;
  }

  public static void main(String[] arguments) throws Exception {
    Support.reportFigures(arguments, variant -> {
      long start = System.nanoTime();
      int found = ways(0, 0, 0);
      double took = System.nanoTime() - start;
      return found == 14_200 ? List.of(new Support.Figure("ms", took / 1e6)) : List.of();
    });
  }
}
