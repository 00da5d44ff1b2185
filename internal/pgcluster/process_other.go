//go:build !linux

package pgcluster

import "syscall"

// attributes are those of each process that is started here. It has a process
// group of its own, so that Ctrl-C reaches this process alone. Here nothing ends
// it if this process is killed: see ErrInUse.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}

// killOrphans does nothing: they end by themselves when their query does.
func (f folder) killOrphans() {}

// mayServe can not be told here, so it is left to PostgreSQL.
func mayServe(int, string) bool { return true }
