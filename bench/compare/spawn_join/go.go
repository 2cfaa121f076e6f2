// One child after the other, each with a value that its parent waits for.
package main

const children = 1000000

func main() {
	report(children, func(string) bool {
		result := make(chan int, 1)
		sum := 0
		for i := 0; i < children; i++ {
			go func() { result <- 2 * i }()
			sum += <-result
		}
		return sum == children*(children-1)
	})
}
