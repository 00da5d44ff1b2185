// Package generate makes random configurations, contexts and paths for those
// who compare implementations of docs/semantics.md. Names and values are few, so
// that everything meets, and nasty, so that what is read, compared and written
// in several ways is.
package generate

import "math/rand/v2"

// Generator makes what the numbers of its source say: the same source makes the
// same again. It is used by one goroutine at a time.
type Generator struct{ *rand.Rand }

// New returns the generator of a seed of two numbers.
func New(a, b uint64) Generator { return Generator{rand.New(rand.NewPCG(a, b))} }

// Pick returns one of several.
func Pick[T any](g Generator, from ...T) T { return from[g.IntN(len(from))] }

// Service returns the name of a service that configurations have.
func (g Generator) Service() string { return Pick(g, services...) }

// oneIn is true once in n times.
func (g Generator) oneIn(n int) bool { return g.IntN(n) == 0 }
