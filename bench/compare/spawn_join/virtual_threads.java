// One virtual thread after the other, each with a value that its parent waits for.

class Main {
  static final long CHILDREN = 1_000_000;

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, CHILDREN, variant -> {
      long sum = 0;
      for (long i = 0; i < CHILDREN; ++i) {
        long value = i;
        sum += Support.fork(() -> 2 * value).get();
      }
      return sum == CHILDREN * (CHILDREN - 1);
    });
  }
}
