package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func newEval() *cobra.Command {
	q := &question{}
	command := &cobra.Command{
		Use:   "eval DIR --service NAME --context JSON",
		Short: "Evaluate a context with the configuration in a folder",
		Long: `Evaluate a context with the configuration in a folder: the answer that a data
plane with these files gives. No server is asked.

With -o json the answer is that of POST /experiment, but for the revision, which
files do not have until somebody serves them.`,
		Example: `  strata eval examples/configs -s ranker_svc -c '{"user_id": "u1", "country": "US"}'
  strata eval examples/configs -s ranker_svc -s checkout_svc -c @context.json -o json
  echo '{"user_id": "u1"}' | strata eval examples/configs -s ranker_svc -l ranker_latency -c -`,
		Args:              oneFolder,
		ValidArgsFunction: completeFolder,
		RunE: func(command *cobra.Command, args []string) error {
			ruleset, context, err := q.prepare(command, args[0])
			if err != nil {
				return err
			}
			if q.output == asJSON {
				return writeJSON(command.OutOrStdout(), q.answer(ruleset, context))
			}
			return q.writeResults(command.OutOrStdout(), ruleset, context)
		},
	}
	q.register(command)
	return command
}

// evalAnswer is the JSON of an EvaluateResponse without its revision.
type evalAnswer struct {
	Results map[string]evalResult `json:"results"`
}

type evalResult struct {
	Parameters    json.RawMessage `json:"parameters"`
	VIDs          []int32         `json:"vids"`
	MatchedLayers []string        `json:"matched_layers"`
}

func (q *question) answer(ruleset *engine.Ruleset, context engine.Context) evalAnswer {
	answer := evalAnswer{Results: make(map[string]evalResult, len(q.services))}
	for _, service := range q.services {
		result := ruleset.Evaluate(service, context, q.layers, nil)
		answer.Results[service] = evalResult{
			Parameters: json.RawMessage(result.Parameters), VIDs: result.VIDs, MatchedLayers: result.MatchedLayers,
		}
	}
	return answer
}

// distinct calls f with each service once, in the order in which they were
// named.
func (q *question) distinct(f func(service string) error) error {
	seen := make(map[string]bool, len(q.services))
	for _, service := range q.services {
		if seen[service] {
			continue
		}
		seen[service] = true
		if err := f(service); err != nil {
			return err
		}
	}
	return nil
}

// writeResults writes the answer for people.
func (q *question) writeResults(w io.Writer, ruleset *engine.Ruleset, context engine.Context) error {
	var b bytes.Buffer
	err := q.distinct(func(service string) error {
		if b.Len() > 0 {
			fmt.Fprintln(&b)
		}
		return writeResult(&b, service, ruleset.Evaluate(service, context, q.layers, nil))
	})
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

func writeResult(b *bytes.Buffer, service string, result *engine.Result) error {
	fmt.Fprintln(b, explain.Printable(service))
	if len(result.VIDs) == 0 {
		fmt.Fprintln(b, "  no layer matches")
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, vid := range result.VIDs {
		label := ""
		if i == 0 {
			label = "variants"
		}
		fmt.Fprintf(t, "  %-10s\t%d\t%s\n", label, vid, explain.Printable(result.MatchedLayers[i]))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(b, "  parameters  ")
	if err := json.Indent(b, []byte(explain.Printable(result.Parameters)), "  ", "  "); err != nil {
		return err
	}
	fmt.Fprintln(b)
	return nil
}
