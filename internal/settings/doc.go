// Package settings finds the value of each flag of a command: on the command
// line, else in the environment, else in a YAML file, else the default. The
// flags are the one place where settings are declared, so that no name, default
// or sentence exists twice.
//
// It refuses to guess. A key of the file that is no flag is an error, a value
// that a flag does not take is an error that says where the value came from,
// and all errors are reported at once.
package settings
