// A tree of virtual threads, ten children each, down to a million leaves with a number each; the sum comes back up.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;

class Main {
  static final long LEAVES = 1_000_000;

  static long sum(long first, long leaves) throws Exception {
    if (leaves == 1) {
      return first;
    }
    long each = leaves / 10;
    var children = new ArrayList<FutureTask<Long>>(10);
    for (long i = 0; i < 10; ++i) {
      long from = first + i * each;
      children.add(Support.fork(() -> sum(from, each)));
    }
    long sum = 0;
    for (var child : children) {
      sum += child.get();
    }
    return sum;
  }

  public static void main(String[] arguments) throws Exception {
    Support.reportFigures(arguments, variant -> {
      long start = System.nanoTime();
      long sum = Support.fork(() -> sum(0, LEAVES)).get();
      double took = System.nanoTime() - start;
      return sum == LEAVES * (LEAVES - 1) / 2 ? List.of(new Support.Figure("ms", took / 1e6)) : List.of();
    });
  }
}
