// A server that sends back what arrives: a virtual thread for each connection.
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.concurrent.FutureTask;

class Main {
  static long echo(SocketChannel peer) throws IOException {
    long echoed = 0;
    try (peer) {
      peer.setOption(StandardSocketOptions.TCP_NODELAY, true);
      var bytes = ByteBuffer.allocateDirect(4096);
      while (peer.read(bytes.clear()) >= 0) {
        echoed += bytes.flip().remaining();
        while (bytes.hasRemaining()) {
          peer.write(bytes);
        }
      }
    }
    return echoed;
  }

  public static void main(String[] arguments) throws Exception {
    int connections = Integer.parseInt(Support.setUp(arguments));
    var server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0), connections);
    System.out.println("port " + server.socket().getLocalPort());
    long cpuBefore = 0;
    var peers = new ArrayList<FutureTask<Long>>();
    for (int i = 0; i < connections; ++i) {
      var peer = server.accept();
      cpuBefore = i == 0 ? Support.cpuNanoseconds() : cpuBefore;
      peers.add(Support.fork(() -> echo(peer)));
    }
    long echoed = 0;
    for (var peer : peers) {
      echoed += peer.get();
    }
    double cpu = Support.cpuNanoseconds() - cpuBefore;
    System.out.printf("cpu_us %.3f%n", cpu / 1e3 / (echoed / 64.0));
  }
}
