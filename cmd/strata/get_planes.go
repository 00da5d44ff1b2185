package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetPlanes(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var output outputFormat
	var all, watch bool
	command := &cobra.Command{
		Use:     "planes",
		Aliases: []string{"plane"},
		Short:   "List data planes, and which revision each runs",
		Long: `List the data planes that follow the control plane, and SDKs that do: which
revision each runs (ACTIVE), which it was sent (REPLICATED), by how many it is
behind, and for how long nobody has confirmed to it that there is no newer one
(STALE). FOLLOWERS counts who follows a plane and does not report itself.

What a plane rejected stands below, and which revisions its followers run if not
the same one. With --watch the list follows what happens: on a terminal it is
drawn anew, elsewhere there is a line for each plane that changes, or with
-o json a line of JSON for each list.`,
		Example: `  strata get planes --env production
  strata get planes --watch`,
		Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	command.Flags().BoolVarP(&all, "all", "a", false, "also those that are gone and reported within the last day")
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on until Ctrl-C")
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.RunE = c.in(func(command *cobra.Command, s *server, _ []string) error {
		if watch {
			w := &planeWatch{server: s, all: all, show: planeWriter(command.OutOrStdout(), output, s.environment)}
			return w.run(command.Context(), command.ErrOrStderr())
		}
		response, err := s.planes.List(command.Context(), &adminv1.PlaneServiceListRequest{Environment: s.environment, All: all})
		if err != nil {
			return err
		}
		return output.write(command.OutOrStdout(), response, func(out io.Writer) error {
			if len(response.GetPlanes()) == 0 {
				fmt.Fprintf(command.ErrOrStderr(), "strata: note: no plane follows %s, which is at revision %d\n", s.environment, response.GetRevision())
			}
			return writePlanes(out, response.GetPlanes(), time.Now())
		})
	})
	return command
}

func writePlanes(out io.Writer, all []*adminv1.Plane, now time.Time) error {
	t := table{
		texts: []int{1, 7, 0},
		heads: []string{"INSTANCE", "CLIENT", "STATE", "ACTIVE", "REPLICATED", "BEHIND", "STALE", "KEY", "REPORTED", "FOLLOWERS"},
	}
	for _, p := range all {
		status := p.GetStatus()
		t.add(status.GetInstance(), strings.TrimPrefix(status.GetClient(), "strata-"), planeState(p), decimalOf(status.GetActiveRevision()), decimalOf(status.GetReplicatedRevision()),
			decimalOf(p.GetBehind()), stale(status), p.GetKeyName(), ago(p.GetReportedAt(), now), decimalOf(followers(status)))
	}
	if err := t.write(out); err != nil {
		return err
	}
	for _, p := range all {
		if _, err := io.WriteString(out, planeNotes(p.GetStatus())); err != nil {
			return err
		}
	}
	return nil
}

// planeNotes says what is not as it should be: what a plane rejects, and who
// follows it and runs something else.
func planeNotes(status *servingv1.Status) string {
	var b strings.Builder
	instance := explain.Printable(status.GetInstance())
	if problems := rejections(status); len(problems) > 0 {
		fmt.Fprintf(&b, "\n%s does not run revision %d:\n  %s\n", instance, status.GetReplicatedRevision(), strings.Join(problems, "\n  "))
	}
	if elsewhere := followersElsewhere(status); elsewhere != "" {
		fmt.Fprintf(&b, "\n%s runs revision %d; of its followers, %s\n", instance, status.GetActiveRevision(), elsewhere)
	}
	return b.String()
}

func decimalOf(n int64) string { return strconv.FormatInt(n, 10) }

// planeState writes how a plane is: GONE if it is not heard of.
func planeState(p *adminv1.Plane) string {
	if !p.GetConnected() {
		return "GONE"
	}
	return strings.TrimPrefix(p.GetStatus().GetState().String(), "PLANE_STATE_")
}

// stale writes for how long a plane has not known; nothing if it does.
func stale(status *servingv1.Status) string {
	d := time.Duration(status.GetStaleMillis()) * time.Millisecond
	if d < time.Second {
		return ""
	}
	return span(d)
}

// followers counts those who follow a plane.
func followers(status *servingv1.Status) (count int64) {
	for _, f := range status.GetFollowers() {
		count += int64(f.GetCount())
	}
	return count
}

// followersElsewhere counts those who do not run what the plane does, by what they
// run, newest first.
func followersElsewhere(status *servingv1.Status) string {
	counts := map[int64]int64{}
	for _, f := range status.GetFollowers() {
		if f.GetCount() > 0 && f.GetRevision() != status.GetActiveRevision() {
			counts[f.GetRevision()] += int64(f.GetCount())
		}
	}
	var texts []string
	for _, revision := range slices.Backward(slices.Sorted(maps.Keys(counts))) {
		texts = append(texts, fmt.Sprintf("%d at %d", counts[revision], revision))
	}
	return some(texts)
}

// rejections says why a plane does not run what it was sent.
func rejections(status *servingv1.Status) []string {
	texts := make([]string, len(status.GetRejections()))
	for i, r := range status.GetRejections() {
		texts[i] = rejection(r)
	}
	return texts
}

// rejection says what is wrong with which resource.
func rejection(r *servingv1.Rejection) string {
	what := strings.ToLower(strings.TrimPrefix(r.GetKind().String(), "ENTITY_KIND_"))
	problem := explain.Printable(r.GetProblem())
	if r.GetKey() == "" {
		return problem
	}
	return what + " " + explain.Printable(r.GetKey()) + ": " + problem
}

// planeWatch follows the planes of an environment.
type planeWatch struct {
	server *server
	all    bool
	show   func(*adminv1.PlaneServiceWatchResponse) error
}

// watchAgain is how long after its end a stream is begun anew.
const watchAgain = time.Second

// run shows the planes each time that they have changed, until ctx ends. A stream
// that ends for a while, as control planes come and go, is begun anew.
func (w *planeWatch) run(ctx context.Context, messages io.Writer) error {
	for shown := false; ; {
		err := w.follow(ctx, &shown)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // who watches has seen enough
		case err != nil && (!shown || !lost(ctx, err)):
			return err
		}
		fmt.Fprintln(messages, "strata: note: the control plane ended the stream: trying again")
		if err := w.server.wait(ctx, watchAgain); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// follow shows what one stream sends. shown is set once there was something.
func (w *planeWatch) follow(ctx context.Context, shown *bool) error {
	stream, err := w.server.planes.Watch(ctx, &adminv1.PlaneServiceWatchRequest{Environment: w.server.environment, All: w.all})
	if err != nil {
		return err
	}
	for stream.Receive() {
		*shown = true
		if err := w.show(stream.Msg()); err != nil {
			_ = stream.Close()
			return err
		}
	}
	err = stream.Err()
	_ = stream.Close()
	return err
}

// planeWriter returns what shows planes that are watched.
func planeWriter(out io.Writer, format outputFormat, environment string) func(*adminv1.PlaneServiceWatchResponse) error {
	switch {
	case format == asJSON:
		return func(r *adminv1.PlaneServiceWatchResponse) error { return writeJSONLine(out, r) }
	case format == asYAML:
		return func(r *adminv1.PlaneServiceWatchResponse) error {
			if _, err := io.WriteString(out, "---\n"); err != nil {
				return err
			}
			return format.write(out, r, nil)
		}
	case interactive(out):
		return func(r *adminv1.PlaneServiceWatchResponse) error { return drawPlanes(out, environment, r, time.Now()) }
	default:
		seen := map[string]string{}
		return func(r *adminv1.PlaneServiceWatchResponse) error { return writePlaneLines(out, seen, r, time.Now()) }
	}
}

// drawPlanes clears the screen of a terminal and draws it anew.
func drawPlanes(out io.Writer, environment string, r *adminv1.PlaneServiceWatchResponse, now time.Time) error {
	const clearScreen = "\x1b[H\x1b[2J"
	_, err := fmt.Fprintf(out, "%s%s at revision %d, %s UTC; Ctrl-C ends this\n\n",
		clearScreen, explain.Printable(environment), r.GetRevision(), now.UTC().Format(time.DateTime))
	if err != nil {
		return err
	}
	return writePlanes(out, r.GetPlanes(), now)
}

// writePlaneLines writes a line for each plane that is not as it was seen last.
func writePlaneLines(out io.Writer, seen map[string]string, r *adminv1.PlaneServiceWatchResponse, now time.Time) error {
	var lines []string
	there := map[string]bool{}
	for _, p := range r.GetPlanes() {
		status := p.GetStatus()
		line := fmt.Sprintf("%s  %s  active %d  replicated %d  behind %d", explain.Printable(status.GetInstance()),
			planeState(p), status.GetActiveRevision(), status.GetReplicatedRevision(), p.GetBehind())
		line = strings.Join(append([]string{line}, rejections(status)...), "  ")
		there[status.GetInstance()] = true
		if seen[status.GetInstance()] != line {
			lines = append(lines, line)
		}
		seen[status.GetInstance()] = line
	}
	var gone []string
	for instance := range seen {
		if !there[instance] {
			gone = append(gone, instance)
			delete(seen, instance)
		}
	}
	slices.Sort(gone)
	for _, instance := range gone {
		lines = append(lines, explain.Printable(instance)+"  GONE")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(out, "%s  %s\n", now.UTC().Format(time.DateTime), line); err != nil {
			return err
		}
	}
	return nil
}
