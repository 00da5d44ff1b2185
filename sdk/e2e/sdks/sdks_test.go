package sdks_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/sdks"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestMain(m *testing.M) { fleet.Main(m) }

const (
	service = "shop"
	path    = "price.text"
	wait    = 20 * time.Second
)

// world is an experiment in a layer of its own, half of whose users are in it.
func world(text string) []*adminv1.Change {
	enabled := true
	return []*adminv1.Change{
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: &adminv1.Experiment{
			Eid: 900, Service: service, Variants: []*configv1.Variant{
				{Vid: 901, ParamsJson: `{}`}, {Vid: 902, ParamsJson: fmt.Sprintf(`{"price":{"text":%q}}`, text)},
			},
		}}},
		{Change: &adminv1.Change_UpsertLayer{UpsertLayer: &adminv1.Layer{
			LayerId: "prices", HashKey: "user_id", Salt: "prices", Version: "1", Enabled: &enabled,
			Ranges: []*configv1.Range{{Start: 0, End: 3000, Vid: 901}, {Start: 3000, End: 6000, Vid: 902}},
		}}},
	}
}

// TestSDKs takes three SDKs through a day: a publish reaches all of them, the data
// plane dies and comes back, and in the end they start with everything down.
func TestSDKs(t *testing.T) {
	if testing.Short() {
		t.Skip("boots real planes and three SDKs")
	}
	f := fleet.Start(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	key, err := f.Admin.NewKey(t.Context(), "services", servingv1.Role_ROLE_SDK)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(text string) int64 {
		t.Helper()
		revision, err := f.Admin.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{
			Changes: world(text), Message: text, IdempotencyKey: text,
		})
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	publish("first")
	plane := f.Data[0]
	config := func(l sdks.Language) sdks.Config {
		return sdks.Config{
			URL: "http://" + plane.HTTP, Environment: fleet.Environment, CacheDir: filepath.Join(f.Dir(), string(l)),
			AccessKey: key.AccessKey(), SecretKey: key.SecretKey(),
		}
	}
	running := startAll(t, config)

	t.Log("a publish reaches all of them")
	second := publish("second")
	awaitAll(t, running, "READY", second)
	wantAll(t, running, second, "second")

	t.Log("the data plane dies: answers stay")
	plane.Kill()
	awaitAll(t, running, "STALE", second)
	wantAll(t, running, second, "second")

	t.Log("it comes back, with what was published meanwhile")
	third := publish("third")
	if err := plane.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, running, "READY", third)
	wantAll(t, running, third, "third")
	for _, s := range running {
		changes := s.Changes()
		if !slices.ContainsFunc(changes, func(c sdks.Change) bool {
			return c.Revision == third && slices.Contains(c.Keys, service+"."+path)
		}) {
			t.Errorf("%s: told of %+v, want that revision %d changes %s.%s", s.Language, changes, third, service, path)
		}
	}

	t.Log("closing sends what was recorded")
	for _, s := range running {
		if status, err := s.Status(); err != nil || status.Dropped > 0 {
			t.Errorf("%s: %+v, %v: want nothing dropped", s.Language, status, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	// Each SDK records each exposed user once for each of the two windows, as the
	// experiment changed between them. Those of the first window may be with the
	// process that was killed.
	recorded, _ := fleet.Metric(t.Context(), plane.Metrics, "strata_exposures_total")
	once := float64(len(running) * exposed())
	if recorded < once || recorded > 2*once {
		t.Errorf("%v exposures are recorded, want %v to %v", recorded, once, 2*once)
	}

	t.Log("with everything down they start from their disk")
	plane.Kill()
	f.Control[0].Kill()
	if err := f.Postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	again := startAll(t, config)
	awaitAll(t, again, "STALE", third)
	wantAll(t, again, third, "third")
	for _, s := range again { // the exposures can not be sent: no error, but counted
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func startAll(t *testing.T, config func(sdks.Language) sdks.Config) []*sdks.SDK {
	t.Helper()
	var all []*sdks.SDK
	for _, l := range sdks.Languages {
		s, err := sdks.Start(t.Context(), l, config(l))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		all = append(all, s)
	}
	return all
}

func awaitAll(t *testing.T, all []*sdks.SDK, state string, revision int64) {
	t.Helper()
	for _, s := range all {
		if _, err := s.Await(wait, func(is sdks.Status) bool { return is.State == state && is.Revision >= revision }); err != nil {
			t.Fatal(err)
		}
	}
}

const users = 40

func user(i int) string { return fmt.Sprint("user_", i) }

func slotOf(i int) int32 { return engine.Slot("prices", user(i)) }

// exposed returns how many users have a variant.
func exposed() (n int) {
	for i := range users {
		if slotOf(i) < 6000 {
			n++
		}
	}
	return n
}

// wantAll checks that all SDKs answer the same, at a revision, with a text for
// those who have the second variant.
func wantAll(t *testing.T, all []*sdks.SDK, revision int64, text string) {
	t.Helper()
	for i := range users {
		want := sdks.Parameter{Reason: "DEFAULT", Slot: -1}
		if slot := slotOf(i); slot >= 3000 && slot < 6000 {
			want = sdks.Parameter{Value: text, Reason: "SPLIT", LayerID: "prices", EID: 900, VID: 902, Slot: slot}
		}
		for _, s := range all {
			got, err := s.Evaluate(service, map[string]any{"user_id": user(i)}, path)
			if err != nil {
				t.Fatal(err)
			}
			if got.Revision != revision || !reflect.DeepEqual(got.Parameters, []sdks.Parameter{want}) {
				t.Fatalf("%s: %s gets %+v, want %+v at revision %d", s.Language, user(i), got, want, revision)
			}
		}
	}
}
