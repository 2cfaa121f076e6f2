// Eight virtual threads lock one mutex, count up and unlock.
import java.util.ArrayList;
import java.util.concurrent.locks.ReentrantLock;

class Main {
  static final int TASKS = 8;
  static final int LOCKINGS = 250_000; // of each

  static final class Counter {
    final ReentrantLock mutex = new ReentrantLock();
    long count;

    void raise() {
      for (int i = 0; i < LOCKINGS; ++i) {
        mutex.lock();
        try {
          ++count;
        } finally {
          mutex.unlock();
        }
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, TASKS * LOCKINGS, variant -> {
      var counter = new Counter();
      var tasks = new ArrayList<Thread>();
      for (int i = 0; i < TASKS; ++i) {
        tasks.add(Thread.startVirtualThread(counter::raise));
      }
      for (var task : tasks) {
        task.join();
      }
      return counter.count == TASKS * LOCKINGS;
    });
  }
}
