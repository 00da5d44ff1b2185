// Package openfeature has no code: it runs the suite of OpenFeature's
// specification against the Go provider and a real data plane. What the suite is
// and how it is read stands in sdk/conformance/openfeature.
package openfeature
