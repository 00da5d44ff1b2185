// Package codegen has no code: its tests hold what strata codegen writes against
// the compilers and type checkers of its languages, with the SDKs that it is for.
package codegen
