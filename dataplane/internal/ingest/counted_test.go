package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/obs"
)

type full struct{}

func (full) Record(context.Context, *ingest.Batch) error { return errors.New("full") }

func TestCounted(t *testing.T) {
	t.Parallel()
	registry := obs.NewRegistry()
	known := func(service string) bool { return service != "made up" }
	counted := ingest.NewCounted(registry, ingest.NewLog(obs.Discard()), known)
	page := func() string {
		recorder := httptest.NewRecorder()
		obs.MetricsHandler(registry, obs.Discard()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return recorder.Body.String()
	}
	of := func(service string, hidden bool) *servingv1.Exposure {
		return &servingv1.Exposure{
			InsertId: "i", Time: timestamppb.New(time.Unix(1_700_000_000, 0)), Service: service, LayerId: "l", HashKey: "user_id", Key: "u",
			Eid: 1, Vid: 1, Hidden: hidden,
		}
	}
	batch := &ingest.Batch{
		Exposures: []*servingv1.Exposure{of("svc", false), of("svc", true), of("svc", false), of("made up", false)},
		Events:    []*servingv1.Event{{}, {}},
	}
	if err := counted.Record(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	counted.Keep(t.Context(), &ingest.Batch{})
	counted.Refused(3)
	for i := range 1100 {
		counted.Keep(t.Context(), &ingest.Batch{Exposures: []*servingv1.Exposure{of(strconv.Itoa(i), false)}})
	}
	got := page()
	for _, want := range []string{
		`strata_exposures_total{hidden="false",service="svc"} 2`,
		`strata_exposures_total{hidden="true",service="svc"} 1`,
		`strata_exposures_total{hidden="false",service="other"} 102`, // one made up, and what is beyond 1,000
		`strata_events_total 2`,
		`strata_event_refusals_total 3`,
		`strata_exposures_lost_total 0`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%s is not in %s", want, got)
		}
	}

	registry = obs.NewRegistry()
	counted = ingest.NewCounted(registry, full{}, known)
	if counted.Record(t.Context(), batch) == nil {
		t.Error("the error of the sink is gone")
	}
	counted.Keep(t.Context(), batch)
	if got := page(); !strings.Contains(got, "\nstrata_exposures_lost_total 4\n") || !strings.Contains(got, "\nstrata_events_total 0\n") {
		t.Errorf("got %s", got)
	}
}

// TestKeepTakesWhatCanBeSent and counts the rest, whatever the sink does with it.
func TestKeepTakesWhatCanBeSent(t *testing.T) {
	t.Parallel()
	good := &servingv1.Exposure{
		InsertId: "i", Time: timestamppb.New(time.Unix(1_700_000_000, 0)), Service: "svc", LayerId: "l", HashKey: "user_id",
		Key: strings.Repeat("k", 4096), Eid: 1, Vid: 1, Path: "a",
	}
	changed := func(change func(*servingv1.Exposure)) *servingv1.Exposure {
		e := proto.CloneOf(good)
		change(e)
		return e
	}
	bad := []*servingv1.Exposure{
		changed(func(e *servingv1.Exposure) { e.Key += "k" }),
		changed(func(e *servingv1.Exposure) { e.Key = "" }),
		changed(func(e *servingv1.Exposure) { e.Path = strings.Repeat("p", 4097) }),
		changed(func(e *servingv1.Exposure) { e.Service = strings.Repeat("s", 257) }),
	}
	registry, sink := obs.NewRegistry(), new(keeper)
	counted := ingest.NewCounted(registry, sink, func(string) bool { return true })
	counted.Keep(t.Context(), &ingest.Batch{Exposures: []*servingv1.Exposure{bad[0], good, bad[1]}})
	counted.Keep(t.Context(), &ingest.Batch{Exposures: bad[2:]})
	if len(sink.exposures) != 1 || sink.exposures[0] != good {
		t.Errorf("the sink got %v", sink.exposures)
	}
	recorder := httptest.NewRecorder()
	obs.MetricsHandler(registry, obs.Discard()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if got := recorder.Body.String(); !strings.Contains(got, "\nstrata_exposures_lost_total 4\n") {
		t.Errorf("got %s", got)
	}
}

// keeper is a sink that keeps exposures.
type keeper struct{ exposures []*servingv1.Exposure }

func (k *keeper) Record(_ context.Context, batch *ingest.Batch) error {
	k.exposures = append(k.exposures, batch.Exposures...)
	return nil
}

// TestLogNamesNobody unless it is asked for all of it.
func TestLogNamesNobody(t *testing.T) {
	t.Parallel()
	at := timestamppb.New(time.Unix(1_700_000_000, 0))
	batch := &ingest.Batch{
		Exposures: []*servingv1.Exposure{{InsertId: "i", Time: at, Service: "svc", LayerId: "l", HashKey: "user_id", Key: "somebody", Eid: 1, Vid: 2}},
		Events:    []*servingv1.Event{{InsertId: "j", Time: at, Name: "checkout", Units: map[string]string{"user_id": "somebody"}, Value: new(2.5)}},
	}
	for level, lines := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		var out bytes.Buffer
		sink := ingest.NewLog(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})))
		if err := sink.Record(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "somebody"); got != lines || strings.Count(out.String(), "\n") != lines {
			t.Errorf("%s: %s", level, &out)
		}
	}
}
