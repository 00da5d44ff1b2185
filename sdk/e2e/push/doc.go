// Package push has no code: it is the benchmarks of how fast a publish reaches
// those who follow, over real processes.
package push
