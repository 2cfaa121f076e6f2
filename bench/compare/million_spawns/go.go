// A million children that do nothing, in one wait group, which counts them.
package main

import "sync"

const children = 1000000

func main() {
	report(children, func(string) bool {
		var all sync.WaitGroup
		all.Add(children)
		for i := 0; i < children; i++ {
			go func() { all.Done() }()
		}
		all.Wait()
		return true
	})
}
