// All ways to place 12 queens: a goroutine for each queen that can be placed in the next row.
package main

import "time"

const (
	queens    = 12
	row       = 1<<queens - 1 // a bit for each of its columns
	solutions = 14200
)

// Takes the columns that have a queen, and those that the queens above attack in this row to the left and to the right.
func place(columns, left, right uint) int {
	if columns == row {
		return 1
	}
	free := row &^ (columns | left | right)
	if free == 0 {
		return 0
	}
	found := make(chan int, queens)
	children := 0
	for ; free != 0; free &= free - 1 {
		queen := free & -free
		go func() { found <- place(columns|queen, (left|queen)<<1, (right|queen)>>1) }()
		children++
	}
	sum := 0
	for ; children != 0; children-- {
		sum += <-found
	}
	return sum
}

func main() {
	reportTime("ms", time.Millisecond, func(string) bool { return place(0, 0, 0) == solutions })
}
