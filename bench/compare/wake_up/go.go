// A busy thread sends a message every 2 ms to a goroutine that waits on a thread that sleeps: until it has it.
package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	messages = 500
	pause    = 2 * time.Millisecond
)

// Spins on a thread of its own until the last message was received, for the pause from then on, and sends the time.
func send(stamps chan<- time.Time, received *atomic.Int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := int64(0); i < messages; i++ {
		for received.Load() != i {
		}
		for start := time.Now(); time.Since(start) < pause; {
		}
		stamps <- time.Now()
	}
	close(stamps)
}

func main() {
	reportFigures(1, func(string) []figure { // one thread more: the sender's
		stamps := make(chan time.Time)
		var received atomic.Int64
		go send(stamps, &received)
		var took []float64 // microseconds
		for stamp := range stamps {
			took = append(took, float64(time.Since(stamp))/1e3)
			received.Add(1)
		}
		if len(took) != messages {
			return nil
		}
		return []figure{{"p50_us", quantile(took, 0.50)}, {"p99_us", quantile(took, 0.99)}}
	})
}
