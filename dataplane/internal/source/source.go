// Package source brings configurations to a data plane. A source hands over
// whole compiled configurations or the reason why there is none; it never takes
// back what is being served.
package source

import "context"

// Source keeps a holder current.
type Source interface {
	// Start loads the first configuration into the holder. Its error says
	// everything that is wrong with it. Start is called once, before Run.
	Start(ctx context.Context) error
	// Run loads what comes after it until ctx ends, and then returns nil. What
	// goes wrong is told to the holder and logged; Run goes on.
	Run(ctx context.Context) error
}
