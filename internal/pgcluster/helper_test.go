package pgcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// ownerEnv makes the test binary start a cluster in the folder that it names,
// and own it until its standard input ends.
const ownerEnv = "PGCLUSTER_TEST_OWNER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerEnv); dir != "" {
		own(dir)
	}
	goleak.VerifyTestMain(m)
}

func own(dir string) {
	if _, err := pgcluster.Start(context.Background(), pgcluster.Config{Dir: dir}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "started")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// startOwner starts a process that owns a cluster in a folder.
func startOwner(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), ownerEnv+"="+dir)
	command.Stderr = os.Stderr
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the owner says %q: %v", line, err)
	}
	return command
}

// folder returns the path of a folder that the server's user can reach: those of
// t.TempDir are for their owner alone. There is nothing else in the one above it.
func folder(tb testing.TB) string {
	tb.Helper()
	dir, err := pgcluster.TempDir(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return filepath.Join(dir, "cluster")
}

// start starts a cluster that is stopped when the test ends.
func start(tb testing.TB, c pgcluster.Config) *pgcluster.Cluster {
	tb.Helper()
	cluster, err := pgcluster.Start(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stop(tb, cluster) })
	return cluster
}

func stop(tb testing.TB, cluster *pgcluster.Cluster) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cluster.Stop(ctx); err != nil {
		tb.Error(err)
	}
}

const patience = time.Minute

func connect(tb testing.TB, cluster *pgcluster.Cluster) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), cluster.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// query runs a statement that gives one value.
func query[T any](tb testing.TB, cluster *pgcluster.Cluster, statement string) (value T) {
	tb.Helper()
	if err := connect(tb, cluster).QueryRow(tb.Context(), statement).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	return value
}

func execute(tb testing.TB, cluster *pgcluster.Cluster, statement string) {
	tb.Helper()
	if _, err := connect(tb, cluster).Exec(tb.Context(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// postmaster returns the process id of the server of a folder.
func postmaster(tb testing.TB, dir string) int {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		tb.Fatal(err)
	}
	return pid
}

func ownerOf(tb testing.TB, name string) syscall.Credential {
	tb.Helper()
	info, err := os.Stat(name)
	if err != nil {
		tb.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		tb.Fatal("no owner")
	}
	return syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

// until waits for something that gives no signal.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			tb.Fatalf("not in time: %s", what)
		}
	}
}
