package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newExplain(env settings.LookupEnv) *cobra.Command {
	q, p := &question{}, &preview{}
	command := &cobra.Command{
		Use:   "explain [DIR] --service NAME --context JSON",
		Short: "Explain an evaluation",
		Long: `Explain an evaluation with what an environment of a control plane serves: now, at
an earlier revision or time, or with changes in files that nobody has applied.
With DIR, with the configuration in that folder; no server is asked then.

For each layer, in order of evaluation: whether it matches and why, the text that
was hashed, the slot that it falls into, where in the layer that is, the variant,
and the experiment's rule with what each part of it came to. Then for each
parameter: its value, the layer, experiment and variant that set it, and what it
hid in layers of lower priority.

With -o json it is the answer of EvaluationService/Explain, but that files have no
revision until somebody serves them.`,
		Example: `  strata explain -s ranker_svc -c '{"user_id": "u1", "country": "US"}' --at 2026-05-01T12:00:00Z
  strata explain -s ranker_svc -c @context.json --revision 41
  strata explain examples/configs -s checkout_svc -l checkout_page -c @context.json
  strata explain examples/configs -s ranker_svc -c - -o json < context.json`,
		Args:              checkFolder,
		ValidArgsFunction: completeFolder,
	}
	p.register(env, command)
	q.register(command, p)
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) > 0 {
			return q.explainOffline(command, args[0])
		}
		return p.ask(q, command, func(s *server, r *previewRequest) error { return q.explainOnline(command, s, r) })
	}
	return command
}

func (q *question) explainOffline(command *cobra.Command, folder string) error {
	ruleset, context, err := q.prepare(command, folder)
	if err != nil {
		return err
	}
	response := &servingv1.ExplainResponse{Results: map[string]*servingv1.ServiceExplanation{}}
	for _, service := range q.services {
		e, err := explain.Proto(ruleset.Explain(service, context, q.layers))
		if err != nil {
			return fmt.Errorf("explain %s: %w", service, err)
		}
		response.Results[service] = e
	}
	return q.writeExplanations(command.OutOrStdout(), "", response)
}

func (q *question) explainOnline(command *cobra.Command, s *server, request *previewRequest) error {
	response, err := s.explain(command.Context(), q, request)
	if err != nil {
		return err
	}
	return q.writeExplanations(command.OutOrStdout(), s.asked(response.GetRevision(), request),
		&servingv1.ExplainResponse{Results: response.GetResults(), Revision: response.GetRevision()})
}

// writeExplanations writes the answer, for people after a headline if there is
// one.
func (q *question) writeExplanations(w io.Writer, headline string, response *servingv1.ExplainResponse) error {
	var b bytes.Buffer
	var err error
	switch q.output {
	case asTable:
		err = q.writeExplanationText(&b, headline, response)
	case asYAML:
		var text bytes.Buffer
		if err = appendProtoJSON(&text, response); err == nil {
			err = present.JSONAsYAML(&b, text.Bytes())
		}
	default:
		err = appendProtoJSON(&b, response)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

func (q *question) writeExplanationText(b *bytes.Buffer, headline string, response *servingv1.ExplainResponse) error {
	if headline != "" {
		fmt.Fprintln(b, headline)
	}
	return q.distinct(func(service string) error {
		if b.Len() > 0 {
			fmt.Fprintln(b)
		}
		return explain.WriteText(b, service, response.GetResults()[service])
	})
}

// appendProtoJSON appends a message as indented JSON with the names of the
// proto. The library varies its white space; this is the same each time.
func appendProtoJSON(b *bytes.Buffer, m *servingv1.ExplainResponse) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	if err := json.Indent(b, data, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	return nil
}
