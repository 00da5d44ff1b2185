// Package ofrep has no code: its tests run the provider that OpenFeature has for
// its remote evaluation protocol against a real data plane.
package ofrep
