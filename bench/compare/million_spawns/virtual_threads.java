// A million virtual threads that do nothing, and a latch, which counts them.
import java.util.concurrent.CountDownLatch;

class Main {
  static final int CHILDREN = 1_000_000;

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, CHILDREN, variant -> {
      var all = new CountDownLatch(CHILDREN);
      for (int i = 0; i < CHILDREN; ++i) {
        Thread.startVirtualThread(all::countDown);
      }
      all.await();
      return true;
    });
  }
}
