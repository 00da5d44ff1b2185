// Package ofrep serves the OpenFeature Remote Evaluation Protocol, version 0.3.0,
// so that the providers that OpenFeature has for it read parameters from a data
// plane without an SDK of ours.
//
// What OpenFeature calls a flag is a path in the parameters of a service. Its key
// is the name of the service and the path, joined by a dot; the service alone is
// the parameters as a whole.
package ofrep
