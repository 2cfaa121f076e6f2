// A server that accepts so many connections and sends back what arrives, until all have been closed.
package main

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

func serve(client net.Conn, echoed *atomic.Int64) {
	defer client.Close()
	var buffer [4096]byte
	total := 0
	for {
		size, err := client.Read(buffer[:])
		if err != nil {
			break
		}
		if _, err = client.Write(buffer[:size]); err != nil {
			break
		}
		total += size
	}
	echoed.Add(int64(total))
}

func main() {
	threads, variant := asked()
	runtime.GOMAXPROCS(threads)
	connections, _ := strconv.Atoi(variant)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail()
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	var all sync.WaitGroup
	var echoed atomic.Int64
	var before float64
	for i := 0; i < connections; i++ {
		client, err := listener.Accept() // which turns TCP_NODELAY on
		if err != nil {
			fail()
		}
		if i == 0 {
			before = cpuSeconds()
		}
		all.Add(1)
		go func() {
			defer all.Done()
			serve(client, &echoed)
		}()
	}
	all.Wait()
	used := cpuSeconds() - before
	if echoed.Load() == 0 {
		fail()
	}
	fmt.Printf("cpu_us %.3f\n", used*1e6/(float64(echoed.Load())/64))
}
