// Package examples has the configuration that README.md and `strata dev` show.
package examples

import "embed"

// Configs is the folder configs: layers, experiments and declared fields.
//
//go:embed configs
var Configs embed.FS
