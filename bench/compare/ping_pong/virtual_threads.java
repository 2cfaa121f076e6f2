// A value goes to another virtual thread and comes back raised by one, through queues without a buffer.
import java.util.concurrent.SynchronousQueue;

class Main {
  static final long ROUNDS = 1_000_000;

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, ROUNDS, variant -> {
      var requests = new SynchronousQueue<Long>();
      var replies = new SynchronousQueue<Long>();
      Support.start(() -> {
        for (long i = 0; i < ROUNDS; ++i) {
          replies.put(requests.take() + 1);
        }
      });
      long value = 0;
      for (long i = 0; i < ROUNDS; ++i) {
        requests.put(value);
        value = replies.take();
      }
      return value == ROUNDS;
    });
  }
}
