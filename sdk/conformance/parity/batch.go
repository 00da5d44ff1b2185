package main

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/conformance/generate"
)

const (
	maxRevisions = 5   // of a configuration
	requests     = 200 // of a revision
	readings     = 3   // of a request
)

// batch is a configuration with what is asked of it: one line of the protocol.
type batch struct {
	// run counts the configurations that were made from nothing, revision those
	// that were made from one of them.
	run, revision int
	snapshot      *configv1.Snapshot
	requests      []request
	// before is the valid configuration that stands in the line before.
	before *configv1.Snapshot
	line   []byte
	want   []byte // what Go answers
}

// request is one case.
type request struct {
	Service string          `json:"service"`
	Context json.RawMessage `json:"context"`
	Layers  []string        `json:"layers,omitempty"`
	Paths   []string        `json:"paths"`
}

// line is the batch as it is sent, with a line break at the end and nowhere else.
func line(snapshot *configv1.Snapshot, requests []request) ([]byte, error) {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(snapshot)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(struct {
		Snapshot []byte    `json:"snapshot"`
		Requests []request `json:"requests"`
	}{wire, append([]request{}, requests...)})
	return b.Bytes(), err
}

// source makes batches, the same ones from the same seed, until it has made a
// number of cases.
type source struct {
	seed uint64
	left int
	g    generate.Generator
	run  int
	// valid is the newest valid configuration, revision its number in its run, and
	// more how many more revisions it will have.
	valid          *configv1.Snapshot
	revision, more int
	broken         bool // the line before was made from valid, and broken
}

func newSource(seed uint64, cases int) *source { return &source{seed: seed, left: cases, run: -1} }

// batch returns the next batch, nil after the last one.
func (s *source) batch() *batch {
	if s.left == 0 {
		return nil
	}
	if s.broken = s.valid != nil && !s.broken && s.g.IntN(6) == 0; s.broken {
		return &batch{run: s.run, revision: s.revision, snapshot: s.g.Invalid(s.valid), before: s.valid}
	}
	before := s.valid
	if s.more == 0 {
		s.run++
		s.g = generate.New(s.seed, uint64(s.run))
		s.valid, s.revision, s.more = s.g.Snapshot(), 0, s.g.IntN(maxRevisions)
	} else {
		s.valid, s.revision, s.more = s.g.Next(s.valid), s.revision+1, s.more-1
	}
	asked := s.ask(s.valid, min(s.left, requests))
	s.left -= len(asked)
	return &batch{run: s.run, revision: s.revision, snapshot: s.valid, requests: asked, before: before}
}

func (s *source) ask(snapshot *configv1.Snapshot, count int) []request {
	paths := generate.PathsOf(snapshot)
	all := make([]request, count)
	for i := range all {
		service := s.g.Service()
		all[i] = request{Service: service, Context: json.RawMessage(s.g.Context()), Layers: s.g.Layers(snapshot), Paths: []string{}}
		for range s.g.IntN(2 * readings) {
			all[i].Paths = append(all[i].Paths, s.g.Path(paths, service))
		}
	}
	return all
}
