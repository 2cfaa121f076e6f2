// What the Java programs of `./dev compare` share; README.md says what they are asked and what they print.
// java -Xms8g -Xmx8g -XX:+UseParallelGC -Djdk.trackAllThreads=false -cp CLASSES Main THREADS VARIANT

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;

final class Support {
  /** What a thread does; it may wait. */
  interface Task extends Runnable {
    void go() throws Exception;

    @Override
    default void run() {
      try {
        go();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Does all of the work of a variant, and says whether it was really done. */
  interface Work {
    boolean did(String variant) throws Exception;
  }

  /** The same for work with figures of its own: none unless all of it was really done. */
  interface MeasuredWork {
    List<Figure> figures(String variant) throws Exception;
  }

  record Figure(String name, double value) {}

  /** Starts a virtual thread. */
  static Thread start(Task task) {
    return Thread.startVirtualThread(task);
  }

  /** Starts a virtual thread that gives a value. */
  static <T> FutureTask<T> fork(Callable<T> body) {
    var value = new FutureTask<>(body);
    Thread.startVirtualThread(value);
    return value;
  }

  /** Lets virtual threads run on as many threads as the command line says, if none has run yet; returns the variant. */
  static String setUp(String[] arguments) {
    if (arguments.length != 2) {
      System.err.println("usage: Main THREADS VARIANT");
      System.exit(2);
    }
    for (String property : List.of("parallelism", "maxPoolSize")) {
      System.setProperty("jdk.virtualThreadScheduler." + property, arguments[0]);
    }
    return arguments[1];
  }

  /** Does the work twice, in a virtual thread, and prints the figures of the second time. */
  static void reportFigures(String[] arguments, MeasuredWork work) throws Exception {
    String variant = setUp(arguments);
    List<Figure> figures = List.of();
    for (int pass = 0; pass < 2; ++pass) {
      figures = fork(() -> work.figures(variant)).get();
      if (figures.isEmpty()) {
        System.err.println("the work was not done");
        System.exit(1);
      }
    }
    for (Figure one : figures) {
      System.out.printf("%s %.3f%n", one.name, one.value);
    }
  }

  /** The same for work of so many operations whose only figure is the time of one in nanoseconds, `ns`. */
  static void report(String[] arguments, long operations, Work work) throws Exception {
    reportFigures(arguments, variant -> {
      long start = System.nanoTime();
      boolean did = work.did(variant);
      double took = System.nanoTime() - start;
      return did ? List.of(new Figure("ns", took / operations)) : List.of();
    });
  }

  /** Returns the processor time of the process in nanoseconds, user and system. */
  static long cpuNanoseconds() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
  }

  /** Returns the bytes of the process that are in memory. */
  static double residentBytes() throws IOException {
    return 4096.0 * Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
  }

  /** Returns the value below which `share` of all lie; sorts them. */
  static double quantile(double[] values, double share) {
    Arrays.sort(values);
    return values[(int) (share * (values.length - 1))];
  }
}
