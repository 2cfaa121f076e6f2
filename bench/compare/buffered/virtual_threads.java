// Messages through one queue with 4,096 places, from so many virtual threads to so many.
import java.util.ArrayList;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.FutureTask;

class Main {
  static final int MESSAGES = 1_000_000;

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, MESSAGES, variant -> {
      int senders = Integer.parseInt(variant.split("x")[0]);
      int receivers = Integer.parseInt(variant.split("x")[1]);
      var queue = new ArrayBlockingQueue<Long>(4096);
      for (int i = 0; i < senders; ++i) {
        long first = i;
        Support.start(() -> {
          for (long value = first; value < MESSAGES; value += senders) {
            queue.put(value);
          }
        });
      }
      var sums = new ArrayList<FutureTask<Long>>();
      for (int i = 0; i < receivers; ++i) {
        sums.add(Support.fork(() -> {
          long sum = 0;
          for (int taken = 0; taken < MESSAGES / receivers; ++taken) {
            sum += queue.take();
          }
          return sum;
        }));
      }
      long sum = 0;
      for (var one : sums) {
        sum += one.get();
      }
      return sum == (long) MESSAGES * (MESSAGES - 1) / 2;
    });
  }
}
