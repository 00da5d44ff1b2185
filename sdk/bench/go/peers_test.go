// Package bench measures what others' SDKs for Go take for the workload that
// Strata's own benchmarks have: see ../README.md.
package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"

	growthbook "github.com/growthbook/growthbook-golang"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
)

const (
	layers = 10
	users  = 1000
)

func features() string {
	var all []string
	for i := range layers {
		all = append(all, fmt.Sprintf(`"layer_%[1]d": {"defaultValue": {"value_%[1]d": 0}, "rules": [{
			"condition": {"country": "US", "age": {"$gte": 18}}, "hashAttribute": "user_id", "key": "layer_%[1]d",
			"variations": [{"value_%[1]d": 1}, {"value_%[1]d": 2}], "weights": [0.5, 0.5]}]}`, i))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// BenchmarkSDKGrowthBook evaluates ten features with the client of a user that
// is made for each evaluation, as servers do.
func BenchmarkSDKGrowthBook(b *testing.B) {
	ctx := context.Background()
	client, err := growthbook.NewClient(ctx, growthbook.WithJsonFeatures(features()))
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		user, err := client.WithAttributes(growthbook.Attributes{"user_id": fmt.Sprint("user_", i%users), "country": "US", "age": 25})
		if err != nil {
			b.Fatal(err)
		}
		for l := range layers {
			if r := user.EvalFeature(ctx, names[l]); !r.InExperiment() {
				b.Fatal(r)
			}
		}
	}
}

// BenchmarkSDKOpenFeatureInMemory reads ten objects that are the same for all:
// what the OpenFeature SDK takes by itself.
func BenchmarkSDKOpenFeatureInMemory(b *testing.B) {
	flags := map[string]memprovider.InMemoryFlag{}
	for l := range layers {
		flags[names[l]] = memprovider.InMemoryFlag{
			Key: names[l], State: memprovider.Enabled, DefaultVariant: "on", Variants: map[string]any{"on": map[string]any{fmt.Sprint("value_", l): 1}},
		}
	}
	if err := openfeature.SetProviderAndWait(memprovider.NewInMemoryProvider(flags)); err != nil {
		b.Fatal(err)
	}
	client := openfeature.NewClient("bench")
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		user := openfeature.NewEvaluationContext(fmt.Sprint("user_", i%users), map[string]any{"country": "US", "age": 25})
		for l := range layers {
			if _, err := client.ObjectValue(ctx, names[l], nil, user); err != nil {
				b.Fatal(err)
			}
		}
	}
}

var names = func() (names [layers]string) {
	for i := range names {
		names[i] = fmt.Sprint("layer_", i)
	}
	return names
}()
