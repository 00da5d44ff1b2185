package ofrep_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	provider "github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"

	"github.com/strata-exp/strata/dataplane"
)

// limit is how long a test waits for what must happen; it decides nothing unless
// the test fails.
const limit = 30 * time.Second

const (
	layer = `{"layer_id": "click", "version": "v1", "priority": 200, "hash_key": "user_id", "salt": "click_exp_2024", "enabled": true,
		"ranges": [{"start": 0, "end": 5000, "vid": 1}, {"start": 5000, "end": 10000, "vid": 2}]}`
	vipLayer = `{"layer_id": "vip", "version": "v1", "priority": 100, "hash_key": "user_id", "salt": "vip", "enabled": true,
		"ranges": [{"start": 0, "end": 10000, "vid": 3}]}`
	vips = `{"eid": 20, "service": "shop", "rule": {"type": "field", "field": "plan", "op": "eq", "values": ["gold"]},
		"variants": [{"vid": 3, "params": {"lounge": true}}]}`
)

func experiment(title string) string {
	return `{"eid": 10, "service": "shop", "variants": [{"vid": 1, "params": {"title": "old"}},
		{"vid": 2, "params": {"title": "` + title + `", "new": true, "rate": 0.25, "size": 12, "nothing": null, "model": {"name": "m", "layers": [1, 2]}}}]}`
}

// plane is a data plane, and a client of OpenFeature that evaluates with it.
type plane struct {
	t      *testing.T
	root   string
	client *openfeature.Client
}

// start starts a data plane. Client names the domain of the client: OpenFeature
// has one provider for each.
func start(t *testing.T, domain string, options ...provider.Option) *plane {
	t.Helper()
	p := &plane{t: t, root: t.TempDir()}
	for _, name := range []string{"layers", "experiments"} {
		if err := os.Mkdir(filepath.Join(p.root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.save("layers/click.json", layer)
	p.save("layers/vip.json", vipLayer)
	p.save("experiments/10.json", experiment("new"))
	p.save("experiments/20.json", vips)

	c := dataplane.Default()
	c.HTTPAddr, c.MetricsAddr, c.DrainDelay = "127.0.0.1:0", "127.0.0.1:0", 0
	c.Files.LayersDir, c.Files.ExperimentsDir = filepath.Join(p.root, "layers"), filepath.Join(p.root, "experiments")
	c.OFREPTargetingKey = "user_id"
	listening, stopped := make(chan dataplane.Addresses, 1), make(chan error, 1)
	c.OnListening = func(a dataplane.Addresses) { listening <- a }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { stopped <- dataplane.Run(ctx, c) }()
	var url string
	select {
	case a := <-listening:
		url = "http://" + a.HTTP.String()
	case err := <-stopped:
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	options = append(options, provider.WithClient(&http.Client{Transport: transport, Timeout: limit}))
	if err := openfeature.SetNamedProviderAndWait(domain, provider.NewProvider(url, options...)); err != nil {
		t.Fatal(err)
	}
	p.client = openfeature.NewClient(domain)
	return p
}

// save writes a file in one step.
func (p *plane) save(name, text string) {
	p.t.Helper()
	temporary := filepath.Join(p.root, ".saving")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(p.root, name)); err != nil {
		p.t.Fatal(err)
	}
}

// somebody is in the second variant: their slot is 7622.
func somebody(attributes map[string]any) openfeature.EvaluationContext {
	return openfeature.NewEvaluationContext("user_12345", attributes)
}

// check compares what all types of evaluations have in common.
func check[T any](t *testing.T, key string, got openfeature.GenericEvaluationDetails[T], err error, value T, reason openfeature.Reason, variant string, code openfeature.ErrorCode) {
	t.Helper()
	if !reflect.DeepEqual(got.Value, value) || got.Reason != reason || got.Variant != variant || got.ErrorCode != code || (err != nil) != (code != "") {
		t.Errorf("%s: got %v, %s, %q, %s, %v; want %v, %s, %q, %s", key, got.Value, got.Reason, got.Variant, got.ErrorCode, err, value, reason, variant, code)
	}
}

func TestTypes(t *testing.T) {
	p := start(t, t.Name())
	ctx, user := t.Context(), somebody(nil)
	b, err := p.client.BooleanValueDetails(ctx, "shop.new", false, user)
	check(t, "shop.new", b, err, true, openfeature.SplitReason, "2", "")
	s, err := p.client.StringValueDetails(ctx, "shop.title", "default", user)
	check(t, "shop.title", s, err, "new", openfeature.SplitReason, "2", "")
	i, err := p.client.IntValueDetails(ctx, "shop.size", 7, user)
	check(t, "shop.size", i, err, 12, openfeature.SplitReason, "2", "")
	f, err := p.client.FloatValueDetails(ctx, "shop.rate", 7, user)
	check(t, "shop.rate", f, err, 0.25, openfeature.SplitReason, "2", "")
	want := any(map[string]any{"name": "m", "layers": []any{1.0, 2.0}})
	o, err := p.client.ObjectValueDetails(ctx, "shop.model", nil, user)
	check(t, "shop.model", o, err, want, openfeature.SplitReason, "2", "")
	s, err = p.client.StringValueDetails(ctx, "shop.model.name", "default", user)
	check(t, "shop.model.name", s, err, "m", openfeature.SplitReason, "2", "")

	metadata := s.FlagMetadata
	text, err := json.Marshal(metadata)
	if err != nil || string(text) != `{"experiment":10,"flagSetId":"shop","layer":"click","slot":7622,"version":"1"}` {
		t.Errorf("metadata: %s, %v", text, err)
	}
}

func TestTargeting(t *testing.T) {
	p := start(t, t.Name())
	for plan, want := range map[string]bool{"gold": true, "tin": false} {
		got, err := p.client.BooleanValueDetails(t.Context(), "shop.lounge", false, somebody(map[string]any{"plan": plan}))
		if want {
			check(t, plan, got, err, true, openfeature.TargetingMatchReason, "3", "")
		} else {
			// This provider does not know of answers without a value: it takes them for one
			// of another type, and goes on with the default.
			check(t, plan, got, err, false, openfeature.ErrorReason, "", openfeature.TypeMismatchCode)
		}
	}
	// The attribute counts before the targeting key.
	got, err := p.client.BooleanValueDetails(t.Context(), "shop.lounge", false, openfeature.NewEvaluationContext("t", map[string]any{"plan": "gold", "user_id": "user_12345"}))
	check(t, "attribute", got, err, true, openfeature.TargetingMatchReason, "3", "")
}

func TestErrors(t *testing.T) {
	p := start(t, t.Name())
	for key, code := range map[string]openfeature.ErrorCode{
		"shop.unheard": openfeature.FlagNotFoundCode, "nobody": openfeature.FlagNotFoundCode, "shop.size": openfeature.TypeMismatchCode,
		"shop.nothing": openfeature.TypeMismatchCode, // null has no value
	} {
		got, err := p.client.StringValueDetails(t.Context(), key, "default", somebody(nil))
		check(t, key, got, err, "default", openfeature.ErrorReason, "", code)
	}
	many := map[string]any{}
	for i := range 1001 {
		many[string(rune('a'+i%26))+string(rune('0'+i/26))] = i
	}
	got, err := p.client.StringValueDetails(t.Context(), "shop.title", "default", somebody(many))
	check(t, "too many attributes", got, err, "default", openfeature.ErrorReason, "", openfeature.InvalidContextCode)

	refused := start(t, t.Name()+"/refused", provider.WithHeader("Strata-Exposures", "sometimes"))
	got, err = refused.client.StringValueDetails(t.Context(), "shop.title", "default", somebody(nil))
	check(t, "a bad header", got, err, "default", openfeature.ErrorReason, "", openfeature.GeneralCode)
}

// TestChange evaluates until what was saved is served.
func TestChange(t *testing.T) {
	p := start(t, t.Name(), provider.WithHeader("Strata-Exposures", "record"))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	p.save("experiments/10.json", experiment("newest"))
	for {
		got, err := p.client.StringValueDetails(ctx, "shop.title", "default", somebody(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got.Value == "newest" {
			if version := got.FlagMetadata["version"]; version != "2" {
				t.Errorf("of version %v", version)
			}
			return
		}
	}
}
