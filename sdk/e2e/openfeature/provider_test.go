package openfeature_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"github.com/strata-exp/strata/sdk/go"
	strataprovider "github.com/strata-exp/strata/sdk/go/openfeature"
)

// write makes a configuration of two services, one of whose names begins with the
// other one, and returns its folder.
func write(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	save(t, folder, "layers/one.yaml", `{layer_id: one, version: v1, priority: 1, hash_key: user_id, ranges: [{start: 0, end: 10000, vid: 1}]}`)
	save(t, folder, "layers/two.yaml", `{layer_id: two, version: v1, priority: 2, hash_key: session_id, ranges: [{start: 0, end: 10000, vid: 2}]}`)
	save(t, folder, "experiments/one.yaml", `{eid: 1, service: shop, variants: [{vid: 1, params: {cart: {size: 3, "a.b": x}, list: [1], none: null, half: 0.5}}]}`)
	save(t, folder, "experiments/two.yaml", `{eid: 2, service: shop.cart, variants: [{vid: 2, params: {size: 5}}]}`)
	return folder
}

func save(t *testing.T, folder, name, text string) {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestFlags reads flags of all types, and sees where they come from.
func TestFlags(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, write(t))
	p := strataprovider.New(w.client)
	user := openfeature.FlattenedContext{"user_id": "u", "session_id": "s"}
	ctx := t.Context()
	object := p.ObjectEvaluation(ctx, "shop.cart", nil, user) // of the service of that name, and not of the other one
	if want := map[string]any{"size": 5.0}; !reflect.DeepEqual(object.Value, want) {
		t.Errorf("an object: %+v", object)
	}
	if text := p.StringEvaluation(ctx, `shop.cart\.size`, "", user); text.ResolutionDetail().ErrorCode != openfeature.FlagNotFoundCode {
		t.Errorf("a dot of a key: %+v", text)
	}
	number := p.IntEvaluation(ctx, "shop.cart.size", 0, user)
	if number.Value != 5 || number.Variant != "2" || number.Reason != openfeature.SplitReason {
		t.Errorf("of the longest service: %+v", number)
	}
	if got, want := slices.Sorted(maps.Keys(number.FlagMetadata)), []string{"experiment", "flagSetId", "layer", "slot", "version"}; !slices.Equal(got, want) {
		t.Errorf("the metadata are %v", got)
	}
	if m := number.FlagMetadata; m["flagSetId"] != "shop.cart" || m["layer"] != "two" || m["experiment"] != int64(2) || m["version"] != "1" {
		t.Errorf("the metadata are %v", m)
	}
	if got := p.ObjectEvaluation(ctx, "shop.list", nil, user); !reflect.DeepEqual(got.Value, []any{1.0}) {
		t.Errorf("a list: %+v", got)
	}
	if got := p.FloatEvaluation(ctx, "shop.half", 0, user); got.Value != 0.5 {
		t.Errorf("a fraction: %+v", got)
	}
	for flag, want := range map[string]openfeature.ErrorCode{
		"shop.half": openfeature.TypeMismatchCode, "shop.none": openfeature.TypeMismatchCode,
		"shop.nothing": openfeature.FlagNotFoundCode, "other.half": openfeature.FlagNotFoundCode,
		"shop": openfeature.TypeMismatchCode, "shop.": openfeature.FlagNotFoundCode, "": openfeature.FlagNotFoundCode, ".": openfeature.FlagNotFoundCode,
	} {
		if got := p.IntEvaluation(ctx, flag, 7, user); got.ResolutionDetail().ErrorCode != want || got.Value != 7 || got.Reason != openfeature.ErrorReason {
			t.Errorf("%q: %+v, want %s", flag, got, want)
		}
	}
	if got := p.IntEvaluation(ctx, "shop.cart.size", 7, nil); got.Value != 7 || got.Reason != openfeature.DefaultReason || got.Variant != "" {
		t.Errorf("nobody: %+v", got)
	}
	p.Track(ctx, "checkout", openfeature.NewEvaluationContext("t", map[string]any{"user_id": "u"}), openfeature.NewTrackingEventDetails(9.5).Add("n", 1))
	if err := w.client.Close(); err != nil || w.client.Status().Dropped > 0 {
		t.Errorf("the data plane has not taken all: %d are dropped: %v", w.client.Status().Dropped, err)
	}
}

// TestTargetingKey hashes the targeting key where that was asked for, and nowhere
// else.
func TestTargetingKey(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, write(t))
	keyed := openfeature.FlattenedContext{"targetingKey": "somebody"}
	both := openfeature.FlattenedContext{"targetingKey": "somebody", "user_id": "u"}
	slot := func(user openfeature.FlattenedContext, options ...strataprovider.Option) any {
		return strataprovider.New(w.client, options...).FloatEvaluation(t.Context(), "shop.half", 0, user).FlagMetadata["slot"]
	}
	is := func(key string) any { return slot(openfeature.FlattenedContext{"user_id": key}) }
	option := strataprovider.WithTargetingKey("user_id")
	if got := slot(keyed); got != nil {
		t.Errorf("not asked for: slot %v", got)
	}
	if got := slot(keyed, option); got != is("somebody") || len(keyed) != 1 {
		t.Errorf("asked for: slot %v", got)
	}
	if got := slot(both, option); got != is("u") {
		t.Errorf("beside the attribute: slot %v", got)
	}
	if got := slot(keyed, strataprovider.WithTargetingKey("session_id")); got != nil {
		t.Errorf("for another attribute: slot %v", got)
	}
}

// TestEvents follows a provider from its beginning to its end.
func TestEvents(t *testing.T) {
	t.Parallel()
	folder := write(t)
	w := newWorldOf(t, folder)
	url, stop := w.serve(folder)
	client := w.connect(url)
	p := strataprovider.New(client)
	expect := func(want string) openfeature.Event {
		t.Helper()
		event := <-p.EventChannel()
		if string(event.EventType) != want || event.ProviderName != "strata" {
			t.Errorf("got %+v, want %s", event, want)
		}
		return event
	}
	if err := p.InitWithContext(t.Context(), openfeature.EvaluationContext{}); err != nil {
		t.Fatal(err)
	}
	expect("PROVIDER_READY")
	save(t, folder, "experiments/two.yaml", `{eid: 2, service: shop.cart, variants: [{vid: 2, params: {size: 6}}]}`)
	if event := expect("PROVIDER_CONFIGURATION_CHANGED"); !slices.Equal(event.FlagChanges, []string{"shop.cart.size"}) {
		t.Errorf("changed are %v", event.FlagChanges)
	}
	stop()
	expect("PROVIDER_STALE")
	user := openfeature.FlattenedContext{"user_id": "u", "session_id": "s"}
	if got := p.IntEvaluation(t.Context(), "shop.cart.size", 0, user); got.Value != 6 || got.Reason != "STALE" || got.Variant != "2" {
		t.Errorf("while it is stale: %+v", got)
	}
	_ = client.Close() // nobody is there to take what it has
	event := expect("PROVIDER_ERROR")
	if event.ErrorCode != openfeature.ProviderFatalCode || event.Message == "" {
		t.Errorf("at the end: %+v", event)
	}
	p.Shutdown()
	p.Shutdown()
	if err := p.Init(openfeature.EvaluationContext{}); err == nil || !strings.Contains(err.Error(), "PROVIDER_FATAL") {
		t.Errorf("of a closed client: %v", err)
	}
	if err := p.ShutdownWithContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStartsStale has the API know that a provider which starts from its disk is
// stale, and ready later.
func TestStartsStale(t *testing.T) {
	t.Parallel()
	folder, cache := write(t), t.TempDir()
	w := newWorldOf(t, folder)
	url, stop := w.serve(folder)
	config := strata.Config{URL: url, Environment: "suite", AccessKey: w.key.AccessKey(), SecretKey: w.key.SecretKey(), CacheDir: cache}
	open := func() *strata.Client {
		client, err := strata.New(config)
		if err == nil {
			err = client.Ready(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	if err := open().Close(); err != nil {
		t.Fatal(err)
	}
	stop()

	client := open()
	defer func() { _ = client.Close() }()
	api := isolated.NewAPI()
	stale := make(chan struct{}, 10)
	tell := func(openfeature.EventDetails) { stale <- struct{}{} }
	api.AddHandler(openfeature.ProviderStale, &tell)
	if err := api.SetProviderAndWait(t.Context(), strataprovider.New(client)); err != nil {
		t.Fatal(err)
	}
	<-stale
	if got := api.NewClient().State(); got != openfeature.StaleState {
		t.Errorf("the status is %s", got)
	}
	if err := api.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if client.Status().State == "CLOSED" {
		t.Error("the client is not the provider's to close")
	}
}
