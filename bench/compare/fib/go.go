// Fibonacci numbers the slow way: a call forks one half and does the other one itself.
package main

const (
	number = 27
	result = 196418
	calls  = 635621 // of fib
)

func fib(n int) int {
	if n < 2 {
		return n
	}
	forked := make(chan int, 1)
	go func() { forked <- fib(n - 1) }()
	own := fib(n - 2)
	return own + <-forked
}

func main() {
	report(calls, func(string) bool { return fib(number) == result })
}
