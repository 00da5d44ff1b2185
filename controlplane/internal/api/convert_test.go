package api

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

func wholeLayer() *adminv1.Layer {
	return &adminv1.Layer{
		LayerId: "a", Version: "v1", Priority: 5, HashKey: "user_id", Salt: "s", Enabled: new(false), Service: "web",
		Ranges: []*configv1.Range{{Start: 0, End: 5, Vid: 11}, {Start: 7, End: 9, Vid: 12}}, Description: "d", Owners: []string{"o"}, Tags: []string{"t"},
	}
}

func wholeExperiment() *adminv1.Experiment {
	return &adminv1.Experiment{
		Eid: 1, Service: "web", LayerId: "a", Name: "n", Description: "d", Hypothesis: "h", Owners: []string{"o"}, Tags: []string{"t"},
		Rule: &configv1.Rule{
			Op: configv1.Operator_OPERATOR_EQ, Field: "f", Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{BoolValue: true}}},
		},
		Variants: []*configv1.Variant{{Vid: 11, ParamsJson: `{}`}, {Vid: 12, ParamsJson: `{"a":1}`}, {Vid: 13, ParamsJson: `{}`}},
	}
}

func wholeService() *adminv1.Service {
	return &adminv1.Service{
		Service: "web", SchemaJson: `{"properties":{"a":{"type":"number"}}}`, Description: "d", Owners: []string{"o"}, Tags: []string{"t"},
	}
}

// TestRoundTrip sends resources with all that can be sent, and reads them.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sent := []*adminv1.Change{
		{Change: &adminv1.Change_UpsertLayer{UpsertLayer: wholeLayer()}},
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: wholeExperiment()}},
		{Change: &adminv1.Change_UpsertField{UpsertField: &configv1.Field{Name: "f", Type: configv1.FieldType_FIELD_TYPE_BOOL}}},
		{Change: &adminv1.Change_UpsertService{UpsertService: wholeService()}},
	}
	created := state.Version{Revision: 2, Time: time.Unix(100, 0)}
	result, err := state.Empty(state.Version{Revision: 1}).Apply(created, changesOf(sent))
	if err != nil {
		t.Fatal(err)
	}
	c := contentsOf(result.State)
	l, x := c.GetLayers()[0], c.GetExperiments()[0]
	compare(t, l.ProtoReflect(), wholeLayer().ProtoReflect(), "usage")
	compare(t, x.ProtoReflect(), wholeExperiment().ProtoReflect(), "winner_vid", "held")
	compare(t, c.GetServices()[0].ProtoReflect(), wholeService().ProtoReflect())
	if l.GetEtag() == "" || l.GetRevision() != 2 || l.GetCreateRevision() != 2 || !l.GetUpdateTime().AsTime().Equal(created.Time) {
		t.Errorf("got %v", l)
	}
	if want := []*adminv1.VariantSlots{{Vid: 11, Slots: 5}, {Vid: 12, Slots: 2}}; len(x.GetAllocation()) != 2 ||
		!proto.Equal(x.GetAllocation()[0], want[0]) || !proto.Equal(x.GetAllocation()[1], want[1]) {
		t.Errorf("got %v", x)
	}
	if !proto.Equal(c.GetFields()[0], sent[2].GetUpsertField()) {
		t.Errorf("got %v", c.GetFields())
	}
	// What was answered does not reach what is kept.
	if stored := result.State.Layer("a"); stored.GetEtag() != "" || stored.GetCreateTime() != nil {
		t.Errorf("stored %v", stored)
	}
}

// compare demands that all fields are set but some that can not be, and that
// those which were sent came back.
func compare(t *testing.T, got, sent protoreflect.Message, without ...string) {
	t.Helper()
	fields := got.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		unset := strings.Contains(strings.Join(without, " "), string(f.Name()))
		if got.Has(f) == unset {
			t.Errorf("%s is set: %v", f.FullName(), !unset)
		}
		if sent.Has(f) && !got.Get(f).Equal(sent.Get(f)) {
			t.Errorf("%s is %v, but %v was sent", f.FullName(), got.Get(f), sent.Get(f))
		}
	}
}

// TestChangesAreTakenOver compares changes that are no plain upserts.
func TestChangesAreTakenOver(t *testing.T) {
	t.Parallel()
	got := changesOf([]*adminv1.Change{
		{Change: &adminv1.Change_DeleteLayer{DeleteLayer: "a"}, Etag: "e"},
		{Change: &adminv1.Change_DeleteExperiment{DeleteExperiment: 7}},
		{Change: &adminv1.Change_DeleteField{DeleteField: "f"}},
		{Change: &adminv1.Change_DeleteService{DeleteService: "s"}},
		{
			Change:     &adminv1.Change_UpsertLayer{UpsertLayer: &adminv1.Layer{LayerId: "b"}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"salt"}},
		},
	})
	ids := []state.ID{state.LayerID("a"), state.ExperimentID(7), state.FieldID("f"), state.ServiceID("s"), state.LayerID("b")}
	for i, c := range got {
		if c.ID() != ids[i] || c.Exact || c.Existence != state.MayExist || (c.Delete == state.ID{}) != (i == 4) {
			t.Errorf("change %d is %+v", i, c)
		}
	}
	if got[0].Etag != "e" || len(got[4].Mask) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestDigestsTellRequestsApart(t *testing.T) {
	t.Parallel()
	sum := func(m proto.Message) [32]byte {
		t.Helper()
		d, err := digest(m, "idempotency_key")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pause := &adminv1.ExperimentServicePauseRequest{Environment: "dev", Eid: 1, IdempotencyKey: "k"}
	archive := &adminv1.ExperimentServiceArchiveRequest{Environment: "dev", Eid: 1, IdempotencyKey: "k"}
	before := proto.CloneOf(pause)
	if sum(pause) == sum(archive) {
		t.Error("a procedure has the digest of another one")
	}
	if sum(pause) != sum(&adminv1.ExperimentServicePauseRequest{Environment: "dev", Eid: 1, IdempotencyKey: "other"}) {
		t.Error("the key counts")
	}
	if sum(pause) == sum(&adminv1.ExperimentServicePauseRequest{Environment: "dev", Eid: 1, ExpectedRevision: new(int64(0))}) {
		t.Error("an expected revision of 0 does not count")
	}
	if !proto.Equal(pause, before) {
		t.Errorf("the request became %v", pause)
	}
}
