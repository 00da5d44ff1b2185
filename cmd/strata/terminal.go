package main

import (
	"io/fs"
	"os"
)

// interactive reports whether an input or output is a terminal: whether somebody
// can answer, or looks at it.
func interactive(stream any) bool {
	file, ok := stream.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// The null device is what scripts have for an input, and no terminal.
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
