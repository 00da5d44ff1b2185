package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// SwarmQuestion asks a swarm how it is.
type SwarmQuestion struct {
	// Revision is the one that is asked after.
	Revision int64 `json:"revision"`
	// Published says when revisions were published, in Unix nanoseconds.
	Published map[int64]int64 `json:"published,omitempty"`
}

// SwarmAnswer is how a swarm is.
type SwarmAnswer struct {
	// Connected is how many have a stream, AtRevision how many have that revision.
	Connected, AtRevision int
	// Ended counts the streams that have ended, by why.
	Ended map[string]int64
	// Arrivals is of how many times these are quantiles, from a publish until one
	// follower had it.
	Arrivals          int
	P50, P99, Longest time.Duration
}

// Swarm is many SDKs in a process of their own.
type Swarm struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// Swarm starts so many SDKs that follow a data plane, until the test ends.
func (f *Fleet) Swarm(d *DataPlane, streams int) *Swarm {
	f.t.Helper()
	path, err := Binary(f.t.Context(), Build{Package: "github.com/strata-exp/strata/sdk/e2e/swarm"})
	must(f.t, "build the swarm", err)
	log, err := os.Create(filepath.Join(f.dir, "swarm.log"))
	must(f.t, "make a log", err)
	s := &Swarm{command: exec.Command(path, "-url", "http://"+d.HTTP, "-streams", strconv.Itoa(streams), "-report", (f.options.Heartbeat * 2 / 3).String())} //nolint:gosec,noctx // it is ended below
	s.command.Env = append(os.Environ(),
		accesskey.AccessKeyVariable+"="+f.PlaneKey.AccessKey(), accesskey.SecretKeyVariable+"="+f.PlaneKey.SecretKey())
	s.command.Stderr = log
	s.command.SysProcAttr = attributes()
	s.in, err = s.command.StdinPipe()
	must(f.t, "start the swarm", err)
	out, err := s.command.StdoutPipe()
	must(f.t, "start the swarm", err)
	s.out = bufio.NewReader(out)
	started := make(chan error)
	starts() <- func() { started <- s.command.Start() }
	must(f.t, "start the swarm", <-started)
	f.t.Cleanup(func() {
		_ = s.command.Process.Kill()
		_ = s.command.Wait() // which says that it was killed
		_ = log.Close()
	})
	return s
}

// Ask asks the swarm.
func (s *Swarm) Ask(q SwarmQuestion) (*SwarmAnswer, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if _, err := s.in.Write(append(data, '\n')); err != nil {
		return nil, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return nil, errors.Join(errors.New("the swarm is gone"), err)
	}
	a := new(SwarmAnswer)
	return a, json.Unmarshal(line, a)
}

// AwaitSwarm waits until all of the swarm have a stream, and a revision.
func (f *Fleet) AwaitSwarm(s *Swarm, streams int, revision int64, most time.Duration) (took time.Duration, last *SwarmAnswer) {
	f.t.Helper()
	last = &SwarmAnswer{}
	defer func() {
		if f.t.Failed() {
			f.t.Logf("the swarm was last like this: %+v", *last)
		}
	}()
	took = f.Await(fmt.Sprintf("%d streams are at revision %d", streams, revision), most, func(ctx context.Context) bool {
		a, err := s.Ask(SwarmQuestion{Revision: revision})
		must(f.t, "ask the swarm", err)
		last = a
		if a.Connected == streams && a.AtRevision == streams {
			return true
		}
		_ = Pause(ctx, 200*time.Millisecond)
		return false
	})
	return took, last
}
