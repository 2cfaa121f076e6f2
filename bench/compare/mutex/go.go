// Eight goroutines lock one mutex, count up and unlock.
package main

import "sync"

const (
	goroutines = 8
	lockings   = 250000 // of each
)

func main() {
	report(goroutines*lockings, func(string) bool {
		var mutex sync.Mutex
		var all sync.WaitGroup
		count := 0
		for g := 0; g < goroutines; g++ {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := 0; i < lockings; i++ {
					mutex.Lock()
					count++
					mutex.Unlock()
				}
			}()
		}
		all.Wait()
		return count == goroutines*lockings
	})
}
