package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
)

func newExplain() *cobra.Command {
	q := &question{}
	command := &cobra.Command{
		Use:   "explain DIR --service NAME --context JSON",
		Short: "Explain an evaluation with the configuration in a folder",
		Long: `Explain an evaluation with the configuration in a folder. No server is asked.

For each layer, in order of evaluation: whether it matches and why, the text that
was hashed, the slot that it falls into, where in the layer that is, the variant,
and the experiment's rule with what each part of it came to. Then for each
parameter: its value, the layer, experiment and variant that set it, and what it
hid in layers of lower priority.

With -o json it is the answer of EvaluationService/Explain, but for the revision,
which files do not have until somebody serves them.`,
		Example: `  strata explain examples/configs -s ranker_svc -c '{"user_id": "u1", "country": "US"}'
  strata explain examples/configs -s checkout_svc -l checkout_page -c @context.json
  strata explain examples/configs -s ranker_svc -c - -o json < context.json`,
		Args:              oneFolder,
		ValidArgsFunction: completeFolder,
		RunE: func(command *cobra.Command, args []string) error {
			ruleset, context, err := q.prepare(command, args[0])
			if err != nil {
				return err
			}
			response := &servingv1.ExplainResponse{Results: map[string]*servingv1.ServiceExplanation{}}
			var text bytes.Buffer
			err = q.distinct(func(service string) error {
				e, err := explain.Proto(ruleset.Explain(service, context, q.layers))
				if err != nil {
					return fmt.Errorf("explain %s: %w", service, err)
				}
				response.Results[service] = e
				if text.Len() > 0 {
					fmt.Fprintln(&text)
				}
				return explain.WriteText(&text, service, e)
			})
			if err != nil {
				return err
			}
			if q.output == asJSON {
				text.Reset()
				if err := appendProtoJSON(&text, response); err != nil {
					return err
				}
			}
			_, err = command.OutOrStdout().Write(text.Bytes())
			return err
		},
	}
	q.register(command)
	return command
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
