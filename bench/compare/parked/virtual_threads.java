// A million virtual threads, each of which takes one number from the queue that they share.
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.atomic.LongAdder;

class Main {
  static final int TASKS = 1_000_000;
  static double bytes; // of the first pass: the second one has memory to use again

  public static void main(String[] arguments) throws Exception {
    Support.reportFigures(arguments, variant -> {
      System.gc();
      var queue = new SynchronousQueue<Long>();
      var arrived = new CountDownLatch(TASKS);
      var ended = new CountDownLatch(TASKS);
      var sum = new LongAdder();
      double before = Support.residentBytes();
      long start = System.nanoTime();
      for (int i = 0; i < TASKS; ++i) {
        Support.start(() -> {
          arrived.countDown();
          sum.add(queue.take());
          ended.countDown();
        });
      }
      arrived.await();
      double create = System.nanoTime() - start;
      if (bytes == 0) {
        bytes = Support.residentBytes() - before;
      }
      start = System.nanoTime();
      for (long i = 0; i < TASKS; ++i) {
        queue.put(i);
      }
      ended.await();
      double wake = System.nanoTime() - start;
      return sum.sum() != TASKS * (TASKS - 1L) / 2 ? List.of() : List.of(
          new Support.Figure("bytes", bytes / TASKS),
          new Support.Figure("create_ns", create / TASKS),
          new Support.Figure("wake_ns", wake / TASKS));
    });
  }
}
