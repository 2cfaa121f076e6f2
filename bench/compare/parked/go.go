// A million goroutines that wait, each for a value from one channel: what each weighs, takes to make and to wake.
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const goroutines = 1000000

func main() {
	var bytes float64 // of the first time: the second one uses the memory again
	reportFigures(0, func(string) []figure {
		values := make(chan int)
		var started, ended sync.WaitGroup
		var sum atomic.Int64
		started.Add(goroutines)
		ended.Add(goroutines)
		runtime.GC()
		before := residentBytes()
		start := time.Now()
		for i := 0; i < goroutines; i++ {
			go func() {
				started.Done()
				sum.Add(int64(<-values))
				ended.Done()
			}()
		}
		started.Wait()
		created := time.Since(start)
		if bytes == 0 {
			bytes = residentBytes() - before
		}
		start = time.Now()
		for value := 0; value < goroutines; value++ {
			values <- value
		}
		ended.Wait()
		woken := time.Since(start)
		if sum.Load() != goroutines*(goroutines-1)/2 {
			return nil
		}
		return []figure{
			{"bytes", bytes / goroutines},
			{"create_ns", float64(created.Nanoseconds()) / goroutines},
			{"wake_ns", float64(woken.Nanoseconds()) / goroutines},
		}
	})
}
