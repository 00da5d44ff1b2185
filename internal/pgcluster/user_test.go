package pgcluster_test

import (
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// TestAsOrdinaryUser runs those tests once more, as nobody, where users differ.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const tests = "TestIsPrivate|TestKill|TestOwnerIsKilled|TestForeignProcessID"
	nobody := lookUp(t, "nobody")
	dir := filepath.Dir(folder(t))
	temp := filepath.Join(dir, "t")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temp, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "pgcluster.test") // the original's folder is root's
	copyFile(t, self, binary)

	command := exec.CommandContext(t.Context(), binary, "-test.v", "-test.timeout=5m", "-test.run", "^("+tests+")$")
	command.Dir = temp
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temp, "HOME=" + temp}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	out, err := command.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != strings.Count(tests, "|")+1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func lookUp(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	syscall.ForkLock.RLock() // a child that has it open for writing would keep it from being run
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnotherUsersData has root start what an ordinary user made.
func TestAnotherUsersData(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := folder(t)
	stop(t, start(t, pgcluster.Config{Dir: dir}))
	nobody := lookUp(t, "nobody")
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, int(nobody.Uid), int(nobody.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, pgcluster.Config{Dir: dir})
	if owner := ownerOf(t, filepath.Join(dir, "data", "postmaster.pid")); owner.Uid != nobody.Uid {
		t.Errorf("the server runs as user %d, want the owner of its data, %d", owner.Uid, nobody.Uid)
	}
}

// TestUnreachable has a folder that the server's user can not get at.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	_, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: filepath.Join(t.TempDir(), "cluster")})
	if err == nil || !strings.Contains(err.Error(), "o+x") {
		t.Errorf("Start returned %v, want what to do", err)
	}
}
