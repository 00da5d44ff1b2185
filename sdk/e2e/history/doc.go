// Package history records what observers of a running system saw, and checks it
// against what the config stream promises: the invariants I1 to I14 of its
// design. It knows nothing of how the system is run, and its idea of what is
// right is its own: hashes and projections are computed here from their
// documentation, not by the code that is tested.
package history
