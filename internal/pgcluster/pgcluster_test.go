package pgcluster_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/internal/pgcluster"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	config := pgcluster.Config{Dir: folder(t), Durable: true}
	for range 2 { // as a new cluster, and as one that is there
		cluster := start(t, config)
		execute(t, cluster, "CREATE TABLE IF NOT EXISTS kept (n int)")
		execute(t, cluster, "INSERT INTO kept VALUES (1)")
		stop(t, cluster)
		stop(t, cluster)
		<-cluster.Done()
		if err := cluster.Err(); err != nil {
			t.Errorf("after Stop: %v", err)
		}
		if err := cluster.Kill(); err != nil {
			t.Errorf("kill what was stopped: %v", err)
		}
	}
	cluster := start(t, config)
	if n := query[int](t, cluster, "SELECT count(*) FROM kept"); n != 2 {
		t.Errorf("found %d rows, want 2", n)
	}
	for name, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"TimeZone": "UTC", "server_encoding": "UTF8",
	} {
		if got := query[string](t, cluster, "SHOW "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestIsPrivate looks at what other users could get at.
func TestIsPrivate(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cluster := start(t, pgcluster.Config{Dir: dir})
	if tcp := query[string](t, cluster, "SHOW listen_addresses"); tcp != "" {
		t.Errorf("the server listens on %s", tcp)
	}
	for name, want := range map[string]fs.FileMode{
		"data":         fs.ModeDir | 0o700,
		"socket":       fs.ModeDir | 0o700,
		"postgres.log": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if server := ownerOf(t, filepath.Join(dir, "socket")); server.Uid == 0 {
		t.Error("the server runs as root")
	} else if us := os.Geteuid(); us != 0 && int(server.Uid) != us {
		t.Errorf("the server runs as user %d, and we as %d", server.Uid, us)
	}
	if group, err := syscall.Getpgid(postmaster(t, dir)); err != nil || group == syscall.Getpgrp() {
		t.Errorf("Ctrl-C would reach the server: its process group is %d, as ours (%v)", group, err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	// A space, since clients differ in how they read it in a URL.
	cluster := start(t, pgcluster.Config{Dir: folder(t) + " of mine"})
	execute(t, cluster, `CREATE DATABASE "a b+c/d?e%f"`)
	conn, err := pgx.Connect(t.Context(), cluster.URL("a b+c/d?e%f"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed")
	}
	out, err := exec.CommandContext(t.Context(), psql, "-XAtc", "SELECT current_user", cluster.URL("postgres")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "postgres" {
		t.Errorf("psql says %q: %v", out, err)
	}
}

// TestOddFolder is about paths that are none for sockets.
func TestOddFolder(t *testing.T) {
	t.Parallel()
	before := filepath.Join(folder(t), "a,b")
	long := filepath.Join(filepath.Dir(before), strings.Repeat("x", 100)+"[")
	for _, dir := range []string{before, long} {
		cluster := start(t, pgcluster.Config{Dir: dir})
		socket := query[string](t, cluster, "SHOW unix_socket_directories")
		if !strings.HasPrefix(socket, "/tmp/") {
			t.Errorf("the socket is in %s", socket)
		}
		stop(t, cluster)
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder of the socket is still there: %v", err)
		}
		_ = os.Rename(before, long) // the data takes a move
	}
}

func TestInUseAndRemove(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cluster := start(t, pgcluster.Config{Dir: dir})
	if _, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir}); !errors.Is(err, pgcluster.ErrInUse) {
		t.Errorf("Start returned %v, want ErrInUse", err)
	} else {
		t.Log(err)
	}
	if err := pgcluster.Remove(t.Context(), dir); !errors.Is(err, pgcluster.ErrInUse) {
		t.Errorf("Remove returned %v, want ErrInUse", err)
	}
	if n := query[int](t, cluster, "SELECT 1"); n != 1 {
		t.Error("the cluster does not answer any more")
	}
	if sync := query[string](t, cluster, "SHOW fsync"); sync != "off" {
		t.Errorf("fsync is %s in a cluster that is not durable", sync)
	}

	stop(t, cluster)
	notes := filepath.Join(dir, "notes")
	if err := os.WriteFile(notes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pgcluster.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || left[0] != notes {
		t.Errorf("left %v, want what is not ours", left)
	}
	_ = os.Remove(notes)
	if err := pgcluster.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// TestServerRefuses has what PostgreSQL itself does not take.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cluster := start(t, pgcluster.Config{Dir: dir})

	// A server that we know nothing of, as if it had been started by hand.
	alias := filepath.Join(filepath.Dir(dir), "alias")
	if err := os.Mkdir(alias, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "data"), filepath.Join(alias, "data")); err != nil {
		t.Fatal(err)
	}
	_, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: alias})
	if err == nil || !strings.Contains(err.Error(), "Is another postmaster") {
		t.Errorf("Start returned %v, want what PostgreSQL says", err)
	}

	stop(t, cluster)
	file := filepath.Join(dir, "data", "postgresql.conf")
	if err := os.WriteFile(file, []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("Start returned %v, want what PostgreSQL says", err)
	}
}

// data makes a folder of data that has one file.
func data(t *testing.T, name, text string) (dir string) {
	t.Helper()
	dir = folder(t)
	file := filepath.Join(dir, "data", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		nobody := lookUp(t, "nobody")
		if err := os.Chown(filepath.Dir(file), int(nobody.Uid), int(nobody.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := data(t, "PG_VERSION", "9.6\n")
	_, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir})
	if err == nil {
		t.Fatal("started")
	}
	for _, part := range []string{dir, "PostgreSQL 9.6", "install", "pg_upgrade", "STRATA_PG_BIN"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not have %q", err, part)
		}
	}
}

// TestNotACluster has a folder of data that is something else.
func TestNotACluster(t *testing.T) {
	t.Parallel()
	dir := data(t, "thesis.txt", "the only copy")
	if _, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "PG_VERSION") {
		t.Errorf("Start returned %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "thesis.txt")); err != nil {
		t.Error(err)
	}
}

func TestBinaries(t *testing.T) {
	t.Parallel()
	_, err := pgcluster.Start(t.Context(), pgcluster.Config{Dir: folder(t), BinDir: t.TempDir()})
	if err == nil || errors.Is(err, pgcluster.ErrNotInstalled) || !strings.Contains(err.Error(), "initdb") {
		t.Errorf("with a wrong folder: %v", err)
	}
	if strings.Contains(pgcluster.ErrNotInstalled.Error(), "\n") {
		t.Error("ErrNotInstalled is for one line")
	}
}

// TestInterruptedStart ends the context while initdb is under way.
func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	bin := filepath.Join(filepath.Dir(dir), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	const initdb = "#!/bin/sh\necho partial > \"$2/PG_VERSION\"\ntail -f /dev/null\n"
	for _, name := range []string{"initdb", "postgres"} {
		syscall.ForkLock.RLock() // a child that has it open for writing would keep it from being run
		err := os.WriteFile(filepath.Join(bin, name), []byte(initdb), 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := pgcluster.Start(ctx, pgcluster.Config{Dir: dir, BinDir: bin})
		ended <- err
	}()
	until(t, "initdb works", func() bool {
		all, _ := filepath.Glob(filepath.Join(dir, "data.new-*", "PG_VERSION"))
		return len(all) == 1
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Start returned %v", err)
	}
	// As if this process had been killed too.
	left := filepath.Join(dir, "data.new-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, pgcluster.Config{Dir: dir})
	if all, _ := filepath.Glob(filepath.Join(dir, "data.new-*")); len(all) > 0 {
		t.Errorf("left %v", all)
	}
}

// TestTempDirSweeps has folders that were made long ago.
func TestTempDirSweeps(t *testing.T) {
	t.Parallel()
	tempDir := func() string {
		t.Helper()
		dir, err := pgcluster.TempDir(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := pgcluster.Remove(context.Background(), dir); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	dir := tempDir()
	age := func() {
		t.Helper()
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	cluster := start(t, pgcluster.Config{Dir: dir})
	age()
	tempDir()
	if n := query[int](t, cluster, "SELECT 1"); n != 1 {
		t.Error("no answer")
	}
	stop(t, cluster)
	tempDir()
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("one that has just been used: %v", err)
	}
	age()
	tempDir()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that nobody uses is still there: %v", err)
	}
}
