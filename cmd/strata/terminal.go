package main

import (
	"io"
	"io/fs"
	"os"
)

// interactive reports whether somebody can answer on an input: whether it is a
// terminal.
func interactive(in io.Reader) bool {
	file, ok := in.(interface{ Stat() (fs.FileInfo, error) })
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
