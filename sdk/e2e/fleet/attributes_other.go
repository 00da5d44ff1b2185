//go:build !linux

package fleet

import "syscall"

// attributes are none: only Linux ends a process with the one that started it.
func attributes() *syscall.SysProcAttr { return nil }
