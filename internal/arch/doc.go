// Package arch has no code: its tests hold the repository to the rules that
// docs/architecture.md states, such as which package may import which.
package arch
