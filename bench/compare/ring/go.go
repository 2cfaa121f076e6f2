// A ring of goroutines and channels without buffers that pass a number on until it is zero.
package main

const (
	size   = 503
	passes = 1000000
)

func pass(number int, from <-chan int, to chan<- int, last chan<- int) {
	for value := range from {
		if value == 0 {
			last <- number
		} else {
			to <- value - 1
		}
	}
}

func main() {
	report(passes, func(string) bool {
		var links [size]chan int
		for i := range links {
			links[i] = make(chan int)
		}
		last := make(chan int)
		for i := range links {
			go pass(i, links[i], links[(i+1)%size], last)
		}
		links[0] <- passes
		at := <-last
		for _, link := range links {
			close(link)
		}
		return at == passes%size
	})
}
