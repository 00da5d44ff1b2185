package plan

import "github.com/strata-exp/strata/sdk/go/engine"

const (
	// maxEntries is how long a list of a plan may be.
	maxEntries = 10_000
	// maxNamed is how many layers an entry names.
	maxNamed = 20
	// maxPathBytes bounds the paths of one list, all together, as the engine
	// bounds those of an explanation: deep parameters with long keys have paths
	// that are much longer than the parameters.
	maxPathBytes = engine.MaxPathBytes
)

// allowance is what a list of a plan may still take. What comes after the first
// entry that is too much is left out too.
type allowance struct {
	entries, bytes int
	omitted        int32
}

func newAllowance() *allowance { return &allowance{entries: maxEntries, bytes: maxPathBytes} }

// admits reports whether there is room for an entry with a path of so many
// bytes, and takes it.
func (a *allowance) admits(bytes int) bool {
	if a.omitted > 0 || a.entries == 0 || a.bytes < bytes {
		a.omitted++
		return false
	}
	a.entries--
	a.bytes -= bytes
	return true
}
