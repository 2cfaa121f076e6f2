// A value goes to a goroutine on another thread and comes back raised by one, through channels without a buffer.
package main

import "runtime"

const rounds = 50000

func answer(requests <-chan int64, replies chan<- int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for value := range requests {
		replies <- value + 1
	}
}

func main() {
	runtime.LockOSThread()
	report(rounds, func(string) bool {
		requests := make(chan int64)
		replies := make(chan int64)
		go answer(requests, replies)
		var value int64
		for i := 0; i < rounds; i++ {
			requests <- value
			value = <-replies
		}
		close(requests)
		return value == rounds
	})
}
