// Package engine answers which parameters a user gets. It is the one
// implementation of docs/semantics.md in Go: the data plane, the SDK, the
// control plane's validation and preview, and the command line all run it.
//
// [Compile] turns a configuration into a [Ruleset] once; [Ruleset.Evaluate]
// and [Ruleset.Explain] then answer forever, from any number of goroutines.
// A Ruleset never changes; a new revision is a new Ruleset that shares with
// the old one whatever did not change.
//
// The package refuses to know about anything else: there is no clock, logger,
// network, file, lock or context in it, and a configuration or a request can
// not make it panic.
//
// A reader may want the files in this order: bucket.go (from key to slot),
// value.go, rule.go, params.go, merge.go, ruleset.go (an evaluation), compile.go
// and link.go (how a Ruleset is made), explain.go.
package engine
