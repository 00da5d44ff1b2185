package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func newEval(env settings.LookupEnv) *cobra.Command {
	q, p := &question{}, &preview{}
	command := &cobra.Command{
		Use:   "eval [DIR] --service NAME --context JSON",
		Short: "Evaluate a context",
		Long: `Evaluate a context with what an environment of a control plane serves: now, at an
earlier revision or time, or with changes in files that nobody has applied.

With DIR it is evaluated with the configuration in that folder instead: the answer
that a data plane with these files gives. No server is asked.

With -o json the answer is that of POST /experiment, but that files have no
revision until somebody serves them.`,
		Example: `  strata eval -s ranker_svc -c '{"user_id": "u1", "country": "US"}' --at 2h
  strata eval -s ranker_svc -c @context.json -f layers/search.yaml
  strata eval examples/configs -s ranker_svc -s checkout_svc -c @context.json -o json
  echo '{"user_id": "u1"}' | strata eval examples/configs -s ranker_svc -l ranker_latency -c -`,
		Args:              checkFolder,
		ValidArgsFunction: completeFolder,
	}
	p.register(env, command)
	q.register(command, p)
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) > 0 {
			return q.evalOffline(command, args[0])
		}
		return p.ask(q, command, func(s *server, r *previewRequest) error { return q.evalOnline(command, s, r) })
	}
	return command
}

func (q *question) evalOffline(command *cobra.Command, folder string) error {
	ruleset, context, err := q.prepare(command, folder)
	if err != nil {
		return err
	}
	evaluate := func(service string) *engine.Result { return ruleset.Evaluate(service, context, q.layers, nil) }
	if q.output == asTable {
		return q.writeResults(command.OutOrStdout(), "", evaluate)
	}
	return writeValue(command.OutOrStdout(), q.output, q.answer(evaluate))
}

func (q *question) evalOnline(command *cobra.Command, s *server, request *previewRequest) error {
	response, err := s.evaluate(command.Context(), q, request)
	if err != nil {
		return err
	}
	results := map[string]*engine.Result{}
	for _, service := range q.services {
		if results[service], err = resultOf(response.GetResults()[service]); err != nil {
			return err
		}
	}
	result := func(service string) *engine.Result { return results[service] }
	if q.output == asTable {
		return q.writeResults(command.OutOrStdout(), s.asked(response.GetRevision(), request), result)
	}
	answer := q.answer(result)
	answer.Revision = strconv.FormatInt(response.GetRevision(), 10)
	return writeValue(command.OutOrStdout(), q.output, answer)
}

// resultOf is a result that came as a message.
func resultOf(message *servingv1.ServiceResult) (*engine.Result, error) {
	parameters := []byte("{}")
	if message.GetParameters() != nil {
		var err error
		if parameters, err = protojson.Marshal(message.GetParameters()); err != nil {
			return nil, err
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, parameters); err != nil {
		return nil, err
	}
	return &engine.Result{
		Parameters: compact.String(), VIDs: append([]int32{}, message.GetVids()...),
		MatchedLayers: append([]string{}, message.GetMatchedLayers()...),
	}, nil
}

// evalAnswer is the JSON of an EvaluateResponse, of files without its revision.
type evalAnswer struct {
	Results  map[string]evalResult `json:"results"`
	Revision string                `json:"revision,omitempty"`
}

type evalResult struct {
	Parameters    json.RawMessage `json:"parameters"`
	VIDs          []int32         `json:"vids"`
	MatchedLayers []string        `json:"matched_layers"`
}

func (q *question) answer(evaluate func(service string) *engine.Result) evalAnswer {
	answer := evalAnswer{Results: make(map[string]evalResult, len(q.services))}
	for _, service := range q.services {
		result := evaluate(service)
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

// writeResults writes the answer for people, after a headline if there is one.
func (q *question) writeResults(w io.Writer, headline string, evaluate func(service string) *engine.Result) error {
	var b bytes.Buffer
	if headline != "" {
		fmt.Fprintln(&b, headline)
	}
	err := q.distinct(func(service string) error {
		if b.Len() > 0 {
			fmt.Fprintln(&b)
		}
		return writeResult(&b, service, evaluate(service))
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
