package present

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// Revisions writes one line for each revision.
func Revisions(w io.Writer, all []*adminv1.Revision) error {
	t := table{
		texts: []int{2, 3, 5},
		heads: []string{"REVISION", "TIME (UTC)", "AUTHOR", "ORIGIN", "CHANGES", "MESSAGE"},
	}
	for _, r := range all {
		message, _, _ := strings.Cut(strings.TrimSpace(r.GetMessage()), "\n")
		t.add(number(r.GetRevision()), moment(r.GetCreateTime()), orDash(r.GetAuthor()), origin(r), number(r.GetChangeCount()), orDash(message))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// origin says how a revision was made, and from what.
func origin(r *adminv1.Revision) string {
	text := strings.ToLower(strings.TrimPrefix(r.GetOrigin().String(), "REVISION_ORIGIN_"))
	switch {
	case r.GetOriginEnvironment() != "":
		return fmt.Sprintf("%s %s/%d", text, r.GetOriginEnvironment(), r.GetOriginRevision())
	case r.GetOriginRevision() != 0:
		return fmt.Sprintf("%s to %d", text, r.GetOriginRevision())
	default:
		return text
	}
}

// Revision writes what is known about a revision of an environment, and the plan
// that made it.
func Revision(w io.Writer, environment string, r *adminv1.Revision, plan *adminv1.Plan) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "revision %d\n", r.GetRevision())
	d := details{&b}
	d.addf("made", "%s UTC by %s", moment(r.GetCreateTime()), orDash(r.GetAuthor()))
	d.add("message", r.GetMessage())
	d.add("origin", origin(r))
	d.add("checksum", r.GetChecksum())
	d.add("hash", r.GetHash())
	d.add("parent", r.GetParentHash())
	fmt.Fprintln(&b)
	title := fmt.Sprintf("%s, revision %d to %d", environment, plan.GetBaseRevision(), r.GetRevision())
	if err := (PlanText{Title: title}).Write(&b, plan); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
