// Package codegen writes typed accessors of the parameters of services, as source
// code in Go, TypeScript or Python.
//
// What a parameter is comes from the values that all variants of a service's
// experiments have, and from the JSON Schema of the service where it declares one,
// which has the last word. The same configuration gives the same bytes, whatever
// order it is in. The package reads and writes no file.
package codegen
