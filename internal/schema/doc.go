// Package schema checks the parameters of variants against the JSON Schema of
// their service.
//
// A schema describes the parameters of a service as a whole, and a variant has a
// part of them. So what a schema demands to be there is not demanded of a variant,
// and all else is; docs/semantics.md tells exactly. The package reads no document
// but the one that it is given.
package schema
