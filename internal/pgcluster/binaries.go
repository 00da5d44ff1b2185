package pgcluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotInstalled says that there is no PostgreSQL on this machine, and what to
// do about it, in one line for the person at the terminal.
var ErrNotInstalled = errors.New("PostgreSQL is not installed: apt-get install -y postgresql (Debian, Ubuntu), brew install postgresql (macOS), or set DATABASE_URL")

// binEnv names the folder of PostgreSQL's binaries.
const binEnv = "STRATA_PG_BIN"

// places are where packages put PostgreSQL without putting it on the PATH. The
// star is the version.
var places = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // Red Hat
	"/opt/homebrew/opt/postgresql@*/bin", // macOS
	"/usr/local/opt/postgresql@*/bin",    // macOS on Intel
}

// findBinaries returns the folder that holds postgres and initdb. Of several it
// is the first that runs data of the given major version, any if that is "".
func findBinaries(ctx context.Context, c Config, major string, as *syscall.Credential) (string, error) {
	named := cmp.Or(c.BinDir, os.Getenv(binEnv))
	var all []string
	switch {
	case named == "":
		all = candidates(os.Getenv("PATH"), places)
	case complete(named):
		all = []string{named}
	default:
		return "", fmt.Errorf("%s does not hold PostgreSQL: it has no programs postgres and initdb", named)
	}
	if len(all) == 0 {
		return "", ErrNotInstalled
	}
	if major == "" {
		return all[0], nil
	}
	var others []string
	for _, dir := range all {
		version, err := versionOf(ctx, dir, as)
		if err != nil {
			return "", err
		}
		if version == major {
			return dir, nil
		}
		others = append(others, version)
	}
	return "", &versionError{major, others}
}

// candidates returns the folders with PostgreSQL's binaries on the path, then
// those in places, the newest first.
func candidates(path string, places []string) (all []string) {
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) && complete(dir) {
			all = append(all, dir)
		}
	}
	for _, place := range places {
		before, after, _ := strings.Cut(place, "*")
		found, _ := filepath.Glob(place) // the patterns are good
		number := func(dir string) float64 {
			n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(dir, before), after), 64)
			return n
		}
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
		all = append(all, slices.DeleteFunc(found, func(dir string) bool { return !complete(dir) })...)
	}
	return all
}

func complete(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(dir, name)) //nolint:gosec // the operator's choice
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

var majorVersion = regexp.MustCompile(`\(PostgreSQL\) (9\.\d+|\d+)`)

// versionOf returns the major version of the binaries in a folder.
func versionOf(ctx context.Context, dir string, as *syscall.Credential) (string, error) {
	postgres := filepath.Join(dir, "postgres")
	command := exec.CommandContext(ctx, postgres, "--version") //nolint:gosec // the operator's
	command.Env, command.SysProcAttr = environment(), &syscall.SysProcAttr{Credential: as}
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", postgres, err)
	}
	match := majorVersion.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("%s --version says %q, which is no version of PostgreSQL", postgres, out)
	}
	return string(match[1]), nil
}

// versionError says that no PostgreSQL here can run the data.
type versionError struct {
	data string
	here []string
}

func (e *versionError) Error() string {
	return fmt.Sprintf("the data is of PostgreSQL %s, and here is PostgreSQL %s: install version %s, or name its binaries in %s, or convert the data with pg_upgrade, or remove it to begin anew",
		e.data, strings.Join(e.here, ", "), e.data, binEnv)
}
