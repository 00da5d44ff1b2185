package strata

import (
	"fmt"
	"testing"

	"github.com/strata-exp/strata/sdk/go/view"
)

// BenchmarkEvaluate evaluates ten layers whose experiments have rules, and reads
// one parameter, as a seen user does.
func BenchmarkEvaluate(b *testing.B) {
	c := open(b, Config{URL: "http://127.0.0.1:1"})
	defer func() { _ = c.Close() }() // nobody is there to take the exposure
	var puts []*view.Entity
	for i := int32(1); i <= 10; i++ {
		params := fmt.Sprintf(`{"p%d":"value","shared":{"q%d":%d}}`, i, i, i)
		puts = append(puts, layer(b, fmt.Sprint("layer", i), i, i), experiment(b, i, i, params, fromUS()))
	}
	if err := (sink{c}).Activate(view.Empty().With(view.Position{Epoch: 1, Revision: 1}, puts, nil)); err != nil {
		b.Fatal(err)
	}
	user := Context{"user_id": "user_12345", "country": "US", "age": 30, "premium": true}
	if got := c.Evaluate("svc", user).GetString("p7", ""); got != "value" {
		b.Fatalf("read is %q", got)
	}
	b.Run("evaluate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Evaluate("svc", user)
		}
	})
	b.Run("read", func(b *testing.B) {
		e := c.Evaluate("svc", user)
		b.ReportAllocs()
		for b.Loop() {
			e.GetString("p7", "")
		}
	})
}
