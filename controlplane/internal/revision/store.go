package revision

import (
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// Planner makes the plan of a change. resting returns the slots of a layer that
// rest, by start.
type Planner func(before, after *state.State, resting func(layerID string) []Rest) *adminv1.Plan

// lanes is in how many lanes the environments' writers wait.
const lanes = 64

// Store keeps revisions. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	plan Planner
	log  *slog.Logger
	// lanes are where writers of this process wait for each other, so that they do
	// not each hold a connection that waits for the lock in the database.
	lanes [lanes]lane
	seed  maphash.Seed
	// dirty has something when other processes should be woken.
	dirty chan struct{}

	metrics *metrics
	past    *past

	mu    sync.Mutex
	lines map[int64]*line
	// followed are the lines of environments by name, as they were last followed.
	followed map[string]*line
}

// New returns a store on a database that has been migrated. It follows what
// other processes write only while Run runs; reads are up to date all the same.
func New(pool *pgxpool.Pool, plan Planner, registry prometheus.Registerer, log *slog.Logger) *Store {
	s := &Store{
		pool: pool, plan: plan, log: log, seed: maphash.MakeSeed(), dirty: make(chan struct{}, 1),
		metrics: newMetrics(registry), past: newPast(), lines: map[int64]*line{}, followed: map[string]*line{},
	}
	for i := range s.lanes {
		s.lanes[i].turn = make(chan struct{}, 1)
	}
	return s
}

func (s *Store) queries() *dbsqlc.Queries { return dbsqlc.New(s.pool) }

func (s *Store) lane(environment string) *lane {
	return &s.lanes[maphash.String(s.seed, environment)%lanes]
}

// line returns the line of revisions of an environment.
func (s *Store) line(envID int64) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lines[envID]
	if !ok {
		l = &line{changed: make(chan struct{})}
		s.lines[envID] = l
	}
	return l
}

// forget drops the line of an environment that is gone.
func (s *Store) forget(envID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.lines[envID]; ok {
		l.end()
		delete(s.lines, envID)
	}
}

type metrics struct {
	applies *prometheus.CounterVec
	seconds prometheus.Histogram
	holes   prometheus.Counter
	epochs  prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		applies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_applies_total",
			Help: "Requests for a revision, by what came of them: made, unchanged, planned, repeated, refused or failed.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "strata_apply_duration_seconds",
			Help:    "How long requests for a revision took, waiting for their turn included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		holes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_changelog_holes_total",
			Help: "How often the changelog did not lead to the head, so that everything was read anew. It must stay 0.",
		}),
		epochs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_epochs_begun_total",
			Help: "How often the database was found to have lost revisions. It must stay 0.",
		}),
	}
	registry.MustRegister(m.applies, m.seconds, m.holes, m.epochs)
	return m
}

func (m *metrics) observe(began time.Time, outcome string) {
	m.applies.WithLabelValues(outcome).Inc()
	m.seconds.Observe(time.Since(began).Seconds())
}
