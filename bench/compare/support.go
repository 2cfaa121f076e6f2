package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the programs of `./dev compare` share; bench/compare/README.md says what they are asked and what they print.

// One of the workload's figures.
type figure struct {
	name  string
	value float64
}

// Returns what the command line asks for: how many threads may be used, and which variant of the workload.
func asked() (threads int, variant string) {
	if len(os.Args) == 3 {
		threads, _ = strconv.Atoi(os.Args[1])
	}
	if threads <= 0 {
		fmt.Fprintf(os.Stderr, "usage: %s THREADS VARIANT\n", os.Args[0])
		os.Exit(2)
	}
	return threads, os.Args[2]
}

// Ends a program whose work could not be done.
func fail() {
	fmt.Fprintf(os.Stderr, "%s: the work was not done\n", os.Args[0])
	os.Exit(1)
}

// Does the work twice, on as many threads as are asked for and extra more, and prints the figures of the second time;
// work takes the variant and returns the figures, or none unless all of it was really done.
func reportFigures(extra int, work func(variant string) []figure) {
	threads, variant := asked()
	runtime.GOMAXPROCS(threads + extra)
	var figures []figure
	for pass := 0; pass < 2; pass++ {
		if figures = work(variant); figures == nil {
			fail()
		}
	}
	for _, one := range figures {
		fmt.Printf("%s %.3f\n", one.name, one.value)
	}
}

// The same for work whose only figure is the time of an operation in nanoseconds, ns; work takes the variant and
// returns whether all of it was really done.
func report(operations int, work func(variant string) bool) {
	reportTime("ns", time.Nanosecond*time.Duration(operations), work)
}

// The same for work whose only figure is its time, in units.
func reportTime(name string, unit time.Duration, work func(variant string) bool) {
	reportFigures(0, func(variant string) []figure {
		start := time.Now()
		if !work(variant) {
			return nil
		}
		return []figure{{name, float64(time.Since(start)) / float64(unit)}}
	})
}

// Returns seconds of processor time of the process, user and system.
func cpuSeconds() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		fail()
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// Returns the bytes of the process that are in memory.
func residentBytes() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail()
	}
	pages, _ := strconv.Atoi(strings.Fields(string(statm))[1])
	return float64(pages * os.Getpagesize())
}

// Returns the value below which share of all lie; sorts them.
func quantile(values []float64, share float64) float64 {
	sort.Float64s(values)
	return values[int(share*float64(len(values)-1))]
}
