// Package strata is the SDK of Strata: it holds a copy of an environment's
// configuration in the process, and answers from it in less than a microsecond
// which parameters a user gets, whatever becomes of the servers.
//
//	client, err := strata.New(strata.Config{URL: "https://strata.example.com", Environment: "prod"})
//	if err != nil {
//		return err // the settings can not be right
//	}
//	defer client.Close()
//	if err := client.Ready(ctx); err != nil {
//		log.Print(err) // nothing to be done: defaults until there is a configuration
//	}
//	e := client.Evaluate("ranker_svc", strata.Context{"user_id": "user_12345"})
//	timeout := e.GetInt("timeout_ms", 100)
//
// A [Client] follows the config stream of a data plane in the background, and
// keeps the last configuration on disk if it is given a folder. An evaluation
// always answers: where there is nothing to answer with, the defaults that the
// code gives. What is read of it is recorded as exposures, which are sent in
// batches; no evaluation waits for that. docs/sdk.md has the same for all
// languages, docs/semantics.md what an evaluation answers.
//
// A reader may want the files in this order: config.go, client.go, running.go
// (what is evaluated), context.go, evaluation.go, parameter.go, exposure.go,
// event.go, outbox.go and delivery.go (how both are sent), change.go, status.go.
package strata
