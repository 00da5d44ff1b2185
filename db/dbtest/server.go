package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/internal/pgcluster"
)

// serverEnv names the URL of the server to use instead of a private one.
const serverEnv = "TEST_DATABASE_URL"

// shared is the server of this test binary.
var shared lazy

type lazy struct {
	inMain atomic.Bool // or nobody would stop it
	once   sync.Once
	server *server
	err    error
}

func (l *lazy) get(tb testing.TB) *server {
	tb.Helper()
	if !l.inMain.Load() {
		tb.Fatal("this package has to call dbtest.Main from TestMain")
	}
	l.once.Do(func() {
		// It outlives the test that comes first.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		l.server, l.err = start(ctx)
	})
	if l.err != nil {
		tb.Fatal(l.err)
	}
	return l.server
}

func (l *lazy) stop() error {
	l.once.Do(func() {}) // too late for a first time
	if l.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.server.close(ctx)
}

// server makes databases. Their names begin with prefix, which is this server's
// alone: other test binaries may use the same PostgreSQL.
type server struct {
	url     func(database string) string
	admin   *pgxpool.Pool
	prefix  string
	count   atomic.Int64
	copy    string   // the statement that copies the template
	cluster *private // nil if the PostgreSQL is not ours
}

func start(ctx context.Context) (*server, error) {
	if given := os.Getenv(serverEnv); given != "" {
		admin, err := pgxpool.New(ctx, given)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", serverEnv, err)
		}
		return newServer(ctx, &server{admin: admin, url: func(name string) string { return inDatabase(given, name) }})
	}
	cluster, err := startPrivate(ctx)
	if err != nil {
		return nil, fmt.Errorf("tests need PostgreSQL, installed or behind %s: %w", serverEnv, err)
	}
	admin, err := pgxpool.New(ctx, cluster.URL("postgres"))
	if err != nil {
		return nil, errors.Join(err, cluster.remove(ctx))
	}
	return newServer(ctx, &server{admin: admin, url: cluster.URL, cluster: cluster})
}

// newServer adds the template, a migrated database that all others are copies of.
func newServer(ctx context.Context, s *server) (*server, error) {
	s.prefix = "strata_test_" + strings.ToLower(rand.Text()[:12]) + "_"
	if err := errors.Join(s.chooseCopy(ctx), s.makeTemplate(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare a database for tests: %w", err), s.close(ctx))
	}
	return s, nil
}

func (s *server) template() string { return s.prefix + "template" }

func (s *server) makeTemplate(ctx context.Context) error {
	if err := s.exec(ctx, "CREATE DATABASE %s", s.template()); err != nil {
		return err
	}
	pool, err := db.Open(ctx, s.url(s.template()))
	if err != nil {
		return err
	}
	err = db.Migrate(ctx, pool)
	pool.Close()
	if err != nil {
		return err
	}
	// What is connected to a template is in the way of copying it.
	return s.exec(ctx, "ALTER DATABASE %s ALLOW_CONNECTIONS false", s.template())
}

func (s *server) create(ctx context.Context) (name string, err error) {
	name = fmt.Sprintf("%s%d", s.prefix, s.count.Add(1))
	return name, s.exec(ctx, s.copy, name, s.template())
}

// chooseCopy prefers the way of copying that is bad where files are synced, and
// three times as fast where they are not. Before version 15 it is the only one.
func (s *server) chooseCopy(ctx context.Context) error {
	s.copy = "CREATE DATABASE %s TEMPLATE %s"
	var takesStrategy bool
	err := s.admin.QueryRow(ctx, "SELECT current_setting('server_version_num')::int >= 150000").Scan(&takesStrategy)
	if takesStrategy && s.cluster != nil {
		s.copy += " STRATEGY file_copy"
	}
	return err
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name)
}

// exec runs a statement about databases, which takes names but no parameters.
func (s *server) exec(ctx context.Context, format string, names ...string) error {
	quoted := make([]any, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	statement := fmt.Sprintf(format, quoted...)
	if _, err := s.admin.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func (s *server) close(ctx context.Context) (err error) {
	if s.cluster == nil { // else it goes with the cluster
		err = s.drop(ctx, s.template())
	}
	s.admin.Close()
	if s.cluster != nil {
		err = s.cluster.remove(ctx)
	}
	return err
}

// inDatabase returns what is given, a URL or a list of key=value, for another
// database.
func inDatabase(given, name string) string {
	u, err := url.Parse(given)
	if err != nil || u.Scheme == "" {
		return given + " dbname=" + name
	}
	u.Path = "/" + name
	return u.String()
}

// private is a throw-away cluster in a folder of its own.
type private struct {
	*pgcluster.Cluster
	config pgcluster.Config
}

func startPrivate(ctx context.Context) (*private, error) {
	dir, err := pgcluster.TempDir(ctx)
	if err != nil {
		return nil, err
	}
	p := &private{config: pgcluster.Config{Dir: dir}}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(err, pgcluster.Remove(ctx, dir))
	}
	return p, nil
}

func (p *private) start(ctx context.Context) error {
	cluster, err := pgcluster.Start(ctx, p.config)
	if err != nil {
		return err
	}
	p.Cluster = cluster
	return nil
}

func (p *private) remove(ctx context.Context) error {
	return errors.Join(p.Stop(ctx), pgcluster.Remove(ctx, p.config.Dir))
}
