// Two virtual threads that yield to each other.

class Main {
  static final int ROUNDS = 2_000_000; // of each

  static int turns() {
    int taken = 0;
    for (int i = 0; i < ROUNDS; ++i) {
      Thread.yield();
      ++taken;
    }
    return taken;
  }

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, 2 * ROUNDS, variant -> {
      var first = Support.fork(Main::turns);
      var second = Support.fork(Main::turns);
      return first.get() + second.get() == 2 * ROUNDS;
    });
  }
}
