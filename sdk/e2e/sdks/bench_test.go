package sdks_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/sdks"
)

const (
	smallLayers, largeLayers = 10, 1000
	// measured is for how long evaluations are measured.
	measured = 1500 * time.Millisecond
)

// changes returns how many changes are published in turn to each SDK.
func changes() int {
	if n, err := strconv.Atoi(os.Getenv("STRATA_PUBLISHES")); err == nil {
		return n
	}
	return 200
}

// layer is an experiment with a rule that is true for everybody, and two variants
// of half the users each, in a layer of its own.
func layer(service string, eid int, value int) []*adminv1.Change {
	enabled, name := true, fmt.Sprintf("%s_%d", service, eid)
	number := func(value int) string { return fmt.Sprintf(`{"value_%d":%d}`, eid, value) }
	return []*adminv1.Change{
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: &adminv1.Experiment{
			Eid: int32(eid), Service: service, Rule: &configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{
				{Op: configv1.Operator_OPERATOR_EQ, Field: "country", Values: []*configv1.Value{{Kind: &configv1.Value_StringValue{StringValue: "US"}}}},
				{Op: configv1.Operator_OPERATOR_GTE, Field: "age", Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 18}}}},
			}},
			Variants: []*configv1.Variant{
				{Vid: int32(2 * eid), ParamsJson: number(value)}, {Vid: int32(2*eid + 1), ParamsJson: number(value + 1)},
			},
		}}},
		{Change: &adminv1.Change_UpsertLayer{UpsertLayer: &adminv1.Layer{
			LayerId: name, HashKey: "user_id", Salt: name, Version: "1", Priority: int32(eid), Enabled: &enabled,
			Ranges: []*configv1.Range{{Start: 0, End: 5000, Vid: int32(2 * eid)}, {Start: 5000, End: 10000, Vid: int32(2*eid + 1)}},
		}}},
	}
}

// BenchmarkSDK measures the SDKs as a service has them, following a data plane: an
// evaluation of ten layers with a rule each, alone and with ten reads; how long
// after a publish the SDK answers by it; and what a thousand layers take of memory.
// An iteration is the whole of it.
func BenchmarkSDK(b *testing.B) {
	f := fleet.Start(b, fleet.Options{ControlPlanes: 1, DataPlanes: 1, Heartbeat: 15 * time.Second})
	key, err := f.Admin.NewKey(b.Context(), "services", servingv1.Role_ROLE_SDK)
	if err != nil {
		b.Fatal(err)
	}
	publish := func(b *testing.B, all []*adminv1.Change) (revision int64) {
		b.Helper()
		for some := range slices.Chunk(all, 200) {
			if revision, err = f.Admin.Apply(b.Context(), &adminv1.RevisionServiceApplyRequest{Changes: some, Message: "bench"}); err != nil {
				b.Fatal(err)
			}
		}
		return revision
	}
	var all []*adminv1.Change
	for i := range smallLayers {
		all = append(all, layer("small", 1001+i, 0)...)
	}
	for i := range largeLayers {
		all = append(all, layer("large", 2001+i, 0)...)
	}
	publish(b, all)
	var contexts []map[string]any
	for i := range 1000 {
		contexts = append(contexts, map[string]any{"user_id": user(i), "country": "US", "age": 25})
	}
	var paths []string
	for i := range smallLayers {
		paths = append(paths, fmt.Sprintf("value_%d", 1001+i))
	}
	start := func(b *testing.B, l sdks.Language, services string) *sdks.SDK {
		b.Helper()
		s, err := sdks.Start(b.Context(), l, sdks.Config{
			URL: "http://" + f.Data[0].HTTP, Environment: fleet.Environment, Services: services,
			AccessKey: key.AccessKey(), SecretKey: key.SecretKey(),
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(s.Kill)
		if _, err := s.Await(wait, func(is sdks.Status) bool { return is.State == "READY" }); err != nil {
			b.Fatal(err)
		}
		return s
	}
	measure := func(b *testing.B, s *sdks.SDK, paths []string) sdks.Measurement {
		b.Helper()
		m, err := s.Measure("small", contexts, paths, measured)
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	value := 0
	for _, l := range sdks.Languages {
		b.Run(string(l), func(b *testing.B) {
			for b.Loop() {
				s := start(b, l, "small")
				small := measure(b, s, []string{})
				b.ReportMetric(float64(small.Nanos), "ns-evaluate")
				b.ReportMetric(float64(measure(b, s, paths).Nanos), "ns-evaluate-and-read-10")
				sent := map[int64]time.Time{}
				for range changes() {
					value++
					at := time.Now()
					sent[publish(b, layer("small", 1001, 2*value)[:1])] = at
				}
				took := took(b, s, sent)
				b.ReportMetric(float64(quantile(took, 0.5).Microseconds())/1000, "ms-change-p50")
				b.ReportMetric(float64(quantile(took, 0.99).Microseconds())/1000, "ms-change-p99")
				closeSDK(b, s)

				s = start(b, l, "small,large")
				large := measure(b, s, []string{})
				b.ReportMetric(float64(large.Memory)/1e6, "MB-process-1000-layers")
				b.ReportMetric(float64(large.Memory-small.Memory)/1e6, "MB-1000-layers")
				closeSDK(b, s)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func closeSDK(b *testing.B, s *sdks.SDK) {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// took returns, sorted, how long after each publish the SDK told that it answers
// by it or by a later one.
func took(b *testing.B, s *sdks.SDK, sent map[int64]time.Time) (all []time.Duration) {
	b.Helper()
	last := int64(0)
	for revision := range sent {
		last = max(last, revision)
	}
	if _, err := s.Await(wait, func(is sdks.Status) bool {
		told := s.Changes()
		return is.Revision >= last && len(told) > 0 && told[len(told)-1].Revision >= last
	}); err != nil {
		b.Fatal(err)
	}
	told := s.Changes()
	for revision, at := range sent {
		i := slices.IndexFunc(told, func(c sdks.Change) bool { return c.Revision >= revision })
		all = append(all, time.UnixMicro(told[i].At).Sub(at))
	}
	slices.Sort(all)
	return all
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}
