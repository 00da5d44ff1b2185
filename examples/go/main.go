// Command go asks the SDK for a parameter of the demo and where it comes from.
// With `make run` in another terminal:
//
//	eval "$(bin/strata keys create example-go --role sdk --env demo)"
//	go run ./examples/go
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/strata-exp/strata/sdk/go"
)

func main() {
	client, err := strata.New(strata.Config{URL: "http://localhost:8080", Environment: "demo"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.Ready(ctx); err != nil {
		log.Print(err) // and go on: there are the defaults
	}
	e := client.Evaluate("ranker_svc", strata.Context{"user_id": "user_12345", "country": "US", "age": 25})
	fmt.Fprintln(os.Stdout, "algorithm:", e.GetString("algorithm", "baseline"))
	fmt.Fprintf(os.Stdout, "model.version: %+v\n", e.Lookup("model.version"))
	if err := client.Close(); err != nil { // sends the exposures
		log.Print(err)
	}
}
