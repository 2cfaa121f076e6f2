// Fibonacci numbers the slow way: a virtual thread for one half, the other one in the caller.

class Main {
  static final int N = 27;

  static long fib(int n) throws Exception {
    if (n < 2) {
      return n;
    }
    var half = Support.fork(() -> fib(n - 1));
    long other = fib(n - 2);
    return half.get() + other;
  }

  static long calls(int n) {
    return n < 2 ? 1 : 1 + calls(n - 1) + calls(n - 2);
  }

  public static void main(String[] arguments) throws Exception {
    Support.report(arguments, calls(N), variant -> fib(N) == 196_418);
  }
}
