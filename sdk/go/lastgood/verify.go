//go:build !mutate_no_verify

package lastgood

import "bytes"

// same reports whether a digest that was computed is the one that was written.
func same(computed, written []byte) bool { return bytes.Equal(computed, written) }
