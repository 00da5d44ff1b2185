package pgcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// serverUser returns whom the server runs as: nil for this process's user, and
// if that is root, whom PostgreSQL refuses, the owner of the data, else the user
// postgres, else nobody.
func serverUser(f folder) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // exec's word for this process's user
	}
	info, err := os.Stat(f.data())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return lookUp("postgres", "nobody")
	case err != nil:
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: its owner is unknown", f.data())
	}
	if stat.Uid == 0 {
		return nil, fmt.Errorf("%s belongs to root, whom PostgreSQL does not run as: give it to another user with chown -R", f.data())
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

func lookUp(names ...string) (*syscall.Credential, error) {
	var errs []error
	for _, name := range names {
		account, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other user for it: %w", errors.Join(errs...))
}

// give makes a folder the server user's.
func give(dir string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return os.Lchown(dir, int(as.Uid), int(as.Gid))
}
