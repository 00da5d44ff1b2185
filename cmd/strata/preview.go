package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// preview says what a control plane is asked beyond the question itself.
type preview struct {
	*connection
	revision int64
	at       string
	files    []string
}

// previewFlags are the flags that a folder has no use for.
var previewFlags = []string{"revision", "at", "file", "server", "audience", "env"}

func (p *preview) register(env settings.LookupEnv, command *cobra.Command) {
	p.connection = newConnection(env)
	p.connection.register(command)
	registerRevision(command, &p.revision, "`number` of the revision to ask; default the newest")
	command.Flags().StringVar(&p.at, "at", "", "`time` to ask about, as in 2026-05-01T12:00:00Z, or how long ago, as in 2h")
	command.Flags().StringArrayVarP(&p.files, "file", "f", nil,
		"`path` of files with changes that are not applied, as for \"strata plan\"; can stand more than once")
	registerCompletion(command, "at", cobra.NoFileCompletions)
}

// checkFolder refuses flags that go with a server where a folder is named.
func checkFolder(command *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("want one folder, got %d: %s", len(args), command.UseLine())
	}
	for _, name := range previewFlags {
		if len(args) > 0 && command.Flags().Changed(name) {
			return fmt.Errorf("--%s asks a control plane, which is not asked where a folder is named", name)
		}
	}
	return nil
}

// previewRequest is what both previews ask.
type previewRequest struct {
	revision int64
	time     *timestamppb.Timestamp // one of the two at most
	changes  *changeset
	context  *structpb.Struct
}

// ask reads what is asked, and has answer ask it. What is wrong with the question
// needs no control plane to be told.
func (p *preview) ask(q *question, command *cobra.Command, answer func(*server, *previewRequest) error) error {
	context, err := q.check(command)
	if err != nil {
		return err
	}
	r, err := p.request(command, context)
	if err != nil {
		return err
	}
	return p.in(func(_ *cobra.Command, s *server, _ []string) error { return answer(s, r) })(command, nil)
}

// request completes what is asked.
func (p *preview) request(command *cobra.Command, context engine.Context) (*previewRequest, error) {
	r := &previewRequest{revision: p.revision, changes: &changeset{}}
	var err error
	if p.at != "" {
		if p.revision != 0 {
			return nil, errors.New("want --revision or --at, not both")
		}
		if r.time, err = parseTime(p.at, time.Now()); err != nil {
			return nil, fmt.Errorf("--at %q: %w", p.at, err)
		}
	}
	if len(p.files) > 0 {
		if r.changes, err = readChanges(p.files, command.InOrStdin()); err != nil {
			return nil, refused("what -f names", err)
		}
	}
	r.context, err = contextStruct(context)
	return r, err
}

// parseTime parses a time, or how long before now it was.
func parseTime(text string, now time.Time) (*timestamppb.Timestamp, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return timestamppb.New(t), nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return nil, errors.New("want a time such as 2026-05-01T12:00:00Z, or how long ago, such as 90m or 2h")
	}
	return timestamppb.New(now.Add(-ago)), nil
}

// contextStruct makes the message of a context.
func contextStruct(context engine.Context) (*structpb.Struct, error) {
	message := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(context))}
	for _, a := range context {
		value := new(structpb.Value)
		if err := protojson.Unmarshal(a.Value.AppendJSON(nil), value); err != nil {
			return nil, fmt.Errorf("--context: %s: %w", explain.Printable(a.Name), err)
		}
		message.Fields[a.Name] = value
	}
	return message, nil
}

func (s *server) evaluate(ctx context.Context, q *question, r *previewRequest) (*adminv1.PreviewServiceEvaluateResponse, error) {
	request := &adminv1.PreviewServiceEvaluateRequest{
		Environment: s.environment, Changes: r.changes.changes, Services: q.services, Context: r.context, Layers: q.layers,
	}
	switch {
	case r.time != nil:
		request.At = &adminv1.PreviewServiceEvaluateRequest_Time{Time: r.time}
	case r.revision != 0:
		request.At = &adminv1.PreviewServiceEvaluateRequest_Revision{Revision: r.revision}
	}
	response, err := s.previews.Evaluate(ctx, request)
	if err != nil {
		return nil, s.failure(ctx, err, r.changes.locator())
	}
	return response, nil
}

func (s *server) explain(ctx context.Context, q *question, r *previewRequest) (*adminv1.PreviewServiceExplainResponse, error) {
	request := &adminv1.PreviewServiceExplainRequest{
		Environment: s.environment, Changes: r.changes.changes, Services: q.services, Context: r.context, Layers: q.layers,
	}
	switch {
	case r.time != nil:
		request.At = &adminv1.PreviewServiceExplainRequest_Time{Time: r.time}
	case r.revision != 0:
		request.At = &adminv1.PreviewServiceExplainRequest_Revision{Revision: r.revision}
	}
	response, err := s.previews.Explain(ctx, request)
	if err != nil {
		return nil, s.failure(ctx, err, r.changes.locator())
	}
	return response, nil
}

// asked says what was asked, as the first line of an answer.
func (s *server) asked(revision int64, r *previewRequest) string {
	text := fmt.Sprintf("%s at revision %d", explain.Printable(s.environment), revision)
	if n := len(r.changes.changes); n > 0 {
		text += ", with " + present.Count(n, "resource") + " of files"
	}
	return text
}
