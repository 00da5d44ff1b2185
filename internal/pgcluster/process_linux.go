package pgcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// attributes are those of each process that is started here. It has a process
// group of its own, so that Ctrl-C reaches this process alone, which then stops
// what it started in order. If the thread that started it ends, it is told to
// stop: that thread must live as long.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT, Credential: as}
}

// killOrphans kills the processes of a cluster if its postmaster is not among
// them. They are those that work in its data and have its lock as file lockFD.
// The postmaster's process group would not do: its children leave it.
func (f folder) killOrphans() {
	data, err := os.Stat(f.data())
	if err != nil {
		return
	}
	lock, err := os.Stat(f.clusterLock())
	if err != nil {
		return
	}
	names, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		return
	}
	var members []*os.Process
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		// Found first, so that what is looked at is what is killed.
		process, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if is(name+"/cwd", data) && is(fmt.Sprintf("%s/fd/%d", name, lockFD), lock) {
			members = append(members, process)
		} else {
			_ = process.Release()
		}
	}
	postmaster := f.postmaster()
	lives := slices.ContainsFunc(members, func(p *os.Process) bool { return p.Pid == postmaster })
	for _, process := range members {
		if !lives {
			_ = process.Kill() // it may have ended meanwhile
		}
		_ = process.Release()
	}
}

// mayServe reports whether a process may be a server of this data: it works in
// it and has files open. One that is gone, is just ending, or has ended and not
// been waited for has none.
func mayServe(pid int, data string) bool {
	cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	info, err := os.Stat(data)
	if err == nil && !os.SameFile(cwd, info) {
		return false
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(files) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist)
}

func is(name string, what fs.FileInfo) bool {
	info, err := os.Stat(name)
	return err == nil && os.SameFile(info, what)
}
