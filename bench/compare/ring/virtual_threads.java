// Virtual threads in a ring of queues without buffers pass a number on until it is zero; one more time round ends them.
import java.util.ArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.SynchronousQueue;

class Main {
  static final long PASSES = 1_000_000;
  static final int TASKS = 503;

  static long pass(SynchronousQueue<Long> from, SynchronousQueue<Long> to) throws InterruptedException {
    long taken = 0;
    while (true) {
      long number = from.take();
      ++taken;
      if (number > 1 - TASKS) {
        to.put(number - 1);
      }
      if (number <= 0) {
        return taken;
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, PASSES, variant -> {
      var queues = new ArrayList<SynchronousQueue<Long>>();
      for (int i = 0; i < TASKS; ++i) {
        queues.add(new SynchronousQueue<>());
      }
      var tasks = new ArrayList<FutureTask<Long>>();
      for (int i = 0; i < TASKS; ++i) {
        var from = queues.get(i);
        var to = queues.get((i + 1) % TASKS);
        tasks.add(Support.fork(() -> pass(from, to)));
      }
      queues.getFirst().put(PASSES);
      long taken = 0;
      for (var task : tasks) {
        taken += task.get();
      }
      return taken == PASSES + TASKS;
    });
  }
}
