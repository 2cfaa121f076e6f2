// A value goes to another goroutine and comes back raised by one, through channels without a buffer.
package main

const rounds = 1000000

func main() {
	report(rounds, func(string) bool {
		requests := make(chan int64)
		replies := make(chan int64)
		go func() {
			for value := range requests {
				replies <- value + 1
			}
		}()
		var value int64
		for i := 0; i < rounds; i++ {
			requests <- value
			value = <-replies
		}
		close(requests)
		return value == rounds
	})
}
