package pgcluster_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// busy has a connection run a query that takes no notice of anything, and
// returns when it is under way.
func busy(t *testing.T, cluster *pgcluster.Cluster) {
	t.Helper()
	conn := connect(t, cluster)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.Exec(context.WithoutCancel(t.Context()), "SELECT count(*) FROM generate_series(1, 1e12::bigint)")
	}()
	t.Cleanup(func() { <-ended })
	until(t, "the query runs", func() bool {
		return query[int](t, cluster, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active' AND pid <> pg_backend_pid()") == 1
	})
}

// TestKill ends a server in all ways that are no orderly stop, each while it is
// busy, and starts it again.
func TestKill(t *testing.T) {
	t.Parallel()
	config := pgcluster.Config{Dir: folder(t)}
	cluster := start(t, config)
	execute(t, cluster, "CREATE TABLE kept (n int)")
	url := cluster.URL("postgres")
	for i, kill := range []struct {
		name string
		do   func(*testing.T)
		err  bool // Err has something to say
	}{
		{"Kill", func(t *testing.T) {
			t.Helper()
			if err := cluster.Kill(); err != nil {
				t.Error(err)
			}
		}, false},
		{"Stop out of time", func(t *testing.T) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := cluster.Stop(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Stop returned %v", err)
			}
		}, false},
		{"postmaster alone", func(t *testing.T) {
			t.Helper()
			if err := syscall.Kill(postmaster(t, config.Dir), syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}, true},
	} {
		execute(t, cluster, "SET synchronous_commit = on; INSERT INTO kept VALUES (1)")
		busy(t, cluster)
		kill.do(t)
		<-cluster.Done()
		if err := cluster.Err(); (err != nil) != kill.err {
			t.Errorf("%s: Err returned %v", kill.name, err)
		}
		cluster = start(t, config)
		if cluster.URL("postgres") != url {
			t.Errorf("%s: the URL is another", kill.name)
		}
		if n := query[int](t, cluster, "SELECT count(*) FROM kept"); n != i+1 {
			t.Errorf("%s: found %d rows, want %d", kill.name, n, i+1)
		}
	}
}

// TestBackendIsKilled leaves the cluster to recover by itself.
func TestBackendIsKilled(t *testing.T) {
	t.Parallel()
	cluster := start(t, pgcluster.Config{Dir: folder(t)})
	pid := query[int](t, cluster, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the server answers again", func() bool {
		conn, err := pgx.Connect(t.Context(), cluster.URL("postgres"))
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close(t.Context()) }()
		var now int
		err = conn.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").Scan(&now)
		return err == nil && now != pid
	})
	if err := cluster.Err(); err != nil {
		t.Error(err)
	}
}

// TestOwnerIsKilled has the server end with its owner.
func TestOwnerIsKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	owner := startOwner(t, dir)
	if _, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir}); !errors.Is(err, pgcluster.ErrInUse) {
		t.Errorf("Start returned %v, want ErrInUse", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()

	// And now with a postmaster that does not end in order either.
	owner = startOwner(t, dir)
	if err := owner.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	start(t, pgcluster.Config{Dir: dir})
}

// TestForeignProcessID has the process id of a crashed server go to another
// process of the same user.
func TestForeignProcessID(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cluster := start(t, pgcluster.Config{Dir: dir})
	file := filepath.Join(dir, "data", "postmaster.pid")
	note, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, cluster)

	other := exec.CommandContext(t.Context(), "tail", "-f", "/dev/null")
	server := ownerOf(t, filepath.Join(dir, "data"))
	if os.Geteuid() == 0 {
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &server}
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	_, rest, _ := bytes.Cut(note, []byte("\n"))
	if err := os.WriteFile(file, append([]byte(strconv.Itoa(other.Process.Pid)+"\n"), rest...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, int(server.Uid), int(server.Gid)); err != nil {
		t.Fatal(err)
	}
	start(t, pgcluster.Config{Dir: dir})
}
