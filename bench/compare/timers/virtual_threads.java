// A million virtual threads sleep until a moment each, within one second.
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

class Main {
  static final int TASKS = 1_000_000;

  public static void main(String[] arguments) throws Exception {
    Support.reportFigures(arguments, variant -> {
      long[] moments = new Random(1).longs(TASKS, 500_000_000L, 1_500_000_000L).toArray();
      double[] late = new double[TASKS];
      var ended = new CountDownLatch(TASKS);
      long cpuBefore = Support.cpuNanoseconds();
      long start = System.nanoTime();
      for (int i = 0; i < TASKS; ++i) {
        int mine = i;
        long due = start + moments[i];
        Support.start(() -> {
          TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
          late[mine] = (System.nanoTime() - due) / 1e3;
          ended.countDown();
        });
      }
      ended.await();
      double cpu = Support.cpuNanoseconds() - cpuBefore;
      return Arrays.stream(late).anyMatch(one -> one < 0) ? List.of() : List.of(
          new Support.Figure("cpu_ns", cpu / TASKS),
          new Support.Figure("late_p50_us", Support.quantile(late, 0.5)),
          new Support.Figure("late_p99_us", Support.quantile(late, 0.99)));
    });
  }
}
