// A million goroutines sleep until a moment within one second each, the first of which is half a second away.
package main

import (
	"math/rand"
	"sync"
	"time"
)

const timers = 1000000

func main() {
	random := rand.New(rand.NewSource(1))
	waits := make([]time.Duration, timers)
	for i := range waits {
		waits[i] = time.Second/2 + time.Duration(random.Int63n(int64(time.Second)))
	}
	late := make([]float64, timers) // microseconds
	reportFigures(0, func(string) []figure {
		var all sync.WaitGroup
		all.Add(timers)
		before := cpuSeconds()
		start := time.Now()
		for i, wait := range waits {
			go func(i int, wait time.Duration) {
				due := start.Add(wait)
				time.Sleep(time.Until(due))
				late[i] = float64(time.Since(due)) / 1e3
				all.Done()
			}(i, wait)
		}
		all.Wait()
		used := cpuSeconds() - before
		if quantile(late, 0) < 0 {
			return nil
		}
		return []figure{
			{"cpu_ns", used * 1e9 / timers},
			{"late_p50_us", quantile(late, 0.50)},
			{"late_p99_us", quantile(late, 0.99)},
		}
	})
}
