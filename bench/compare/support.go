package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Does the work twice and prints the nanoseconds of each operation the second time, for run.py. The command line's only
// argument is how many threads may be used; work returns whether all of it was really done.
func report(operations int, work func() bool) {
	threads := 0
	if len(os.Args) == 2 {
		threads, _ = strconv.Atoi(os.Args[1])
	}
	if threads <= 0 {
		fmt.Fprintf(os.Stderr, "usage: %s THREADS\n", os.Args[0])
		os.Exit(2)
	}
	runtime.GOMAXPROCS(threads)
	var took time.Duration
	for pass := 0; pass < 2; pass++ {
		start := time.Now()
		if !work() {
			fmt.Fprintf(os.Stderr, "%s: the work was not done\n", os.Args[0])
			os.Exit(1)
		}
		took = time.Since(start)
	}
	fmt.Printf("%.3f\n", float64(took.Nanoseconds())/float64(operations))
}
