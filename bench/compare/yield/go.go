// Two goroutines that yield to each other.
package main

import "runtime"

const rounds = 2000000 // of each

func turns(ended chan<- int) {
	taken := 0
	for i := 0; i < rounds; i++ {
		runtime.Gosched()
		taken++
	}
	ended <- taken
}

func main() {
	report(2*rounds, func(string) bool {
		ended := make(chan int, 2)
		go turns(ended)
		go turns(ended)
		return <-ended+<-ended == 2*rounds
	})
}
