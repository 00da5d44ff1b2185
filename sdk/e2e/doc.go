// Package e2e has no code: below it are the tests that boot real planes, and what
// they are made of. This one is the smoke test; the faults are in package faults,
// the benchmarks in package push.
package e2e
