// A busy platform thread sends a message every 2 ms to a virtual thread that waits for it.
import java.util.List;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.atomic.AtomicInteger;

class Main {
  static final int MESSAGES = 500;

  static void send(SynchronousQueue<Long> messages, AtomicInteger received) throws InterruptedException {
    for (int i = 0; i < MESSAGES; ++i) {
      while (received.get() < i) {
        Thread.onSpinWait();
      }
      long from = System.nanoTime();
      while (System.nanoTime() - from < 2_000_000) {
        Thread.onSpinWait();
      }
      messages.put(System.nanoTime());
    }
  }

  public static void main(String[] arguments) throws Exception {
    Support.reportFigures(arguments, variant -> {
      var messages = new SynchronousQueue<Long>();
      var received = new AtomicInteger();
      Support.Task sender = () -> send(messages, received);
      var sending = Thread.ofPlatform().start(sender);
      double[] took = new double[MESSAGES];
      for (int i = 0; i < MESSAGES; ++i) {
        long sent = messages.take();
        took[i] = (System.nanoTime() - sent) / 1e3;
        received.set(i + 1);
      }
      sending.join();
      return List.of(
          new Support.Figure("p50_us", Support.quantile(took, 0.5)),
          new Support.Figure("p99_us", Support.quantile(took, 0.99)));
    });
  }
}
