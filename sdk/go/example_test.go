package strata_test

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-exp/strata/sdk/go"
)

// A client answers at once, with the defaults of the code as long as there is no
// server to be reached.
func Example() {
	client, err := strata.New(strata.Config{URL: "http://127.0.0.1:1", Environment: "prod"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if client.Ready(ctx) != nil {
		fmt.Println("there is no configuration yet")
	}
	e := client.Evaluate("ranker_svc", strata.Context{"user_id": "user_12345", "country": "US"})
	fmt.Println(e.GetInt("timeout_ms", 100))
	fmt.Println(e.Lookup("timeout_ms").Error)
	// Output:
	// there is no configuration yet
	// 100
	// NOT_READY
}
