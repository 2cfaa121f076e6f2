// A million messages through one buffered channel, from so many senders to so many receivers.
package main

import (
	"fmt"
	"sync"
)

const (
	messages = 1000000
	places   = 4096
)

func main() {
	report(messages, func(variant string) bool {
		var senders, receivers int
		if _, err := fmt.Sscanf(variant, "%dx%d", &senders, &receivers); err != nil {
			return false
		}
		channel := make(chan int, places)
		var sending sync.WaitGroup
		sending.Add(senders)
		for s := 0; s < senders; s++ {
			go func(first int) {
				defer sending.Done()
				for value := first; value < messages; value += senders {
					channel <- value
				}
			}(s)
		}
		sums := make(chan int, receivers)
		for r := 0; r < receivers; r++ {
			go func() {
				sum := 0
				for value := range channel {
					sum += value
				}
				sums <- sum
			}()
		}
		sending.Wait()
		close(channel)
		sum := 0
		for r := 0; r < receivers; r++ {
			sum += <-sums
		}
		return sum == messages*(messages-1)/2
	})
}
