// Package openapi has the description of the admin API that tools for HTTP APIs
// read. It is generated from the schemas by `make gen`.
package openapi

import _ "embed"

// Document is an OpenAPI 3.1 document, in YAML. Read it only.
//
//go:embed openapi.yaml
var Document []byte
