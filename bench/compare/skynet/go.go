// A tree of goroutines, ten children each, down to a million leaves with a number each, whose sum comes back up.
package main

import "time"

const (
	children = 10
	leaves   = 1000000
)

// Sends the sum of the numbers of so many leaves, the first of which is given.
func node(first, size int, parent chan<- int) {
	if size == 1 {
		parent <- first
		return
	}
	sums := make(chan int, children)
	part := size / children
	for child := 0; child < children; child++ {
		go node(first+child*part, part, sums)
	}
	sum := 0
	for child := 0; child < children; child++ {
		sum += <-sums
	}
	parent <- sum
}

func main() {
	reportTime("ms", time.Millisecond, func(string) bool {
		sum := make(chan int, 1)
		go node(0, leaves, sum)
		return <-sum == leaves*(leaves-1)/2
	})
}
