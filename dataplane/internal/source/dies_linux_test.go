package source

import (
	"os/exec"
	"syscall"
)

// dieWithTests has a process killed when the one that runs the tests ends.
func dieWithTests(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
