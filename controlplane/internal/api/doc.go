// Package api serves strata.admin.v1 over gRPC, gRPC-Web and Connect: it reads
// and checks requests, calls what carries them out, and turns what comes of it
// into answers and refusals that name the request's own fields.
//
// It decides nothing about configurations: what may be written is said by state
// and lifecycle, and what is kept by the store.
package api
