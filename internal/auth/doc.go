// Package auth decides which service is behind a request, and what it may do.
// It stands in front of handlers: requests are signed over their bytes, which
// nothing behind the protocol sees as they were.
//
// It holds public keys alone. What it needs for a decision is in memory, so that
// it decides the same when nothing else can be reached.
package auth
