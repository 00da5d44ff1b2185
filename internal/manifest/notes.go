package manifest

import (
	"slices"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// Limits of notes, in bytes but for MaxNoteItems.
const (
	// MaxNoteBytes is how long a name, an owner or a tag may be.
	MaxNoteBytes = engine.MaxNameBytes
	// MaxProseBytes is how long a description or a hypothesis may be.
	MaxProseBytes = 4096
	// MaxNoteItems is how many owners or tags there may be.
	MaxNoteItems = 50
)

// Notes are what a file says about a layer, an experiment or a service to people.
// Evaluation knows nothing of them; the control plane keeps them.
//
// Each is absent, where it is nil, or present: what is absent is to be left as
// the control plane has it, and what is present and empty to be cleared there.
type Notes struct {
	// Name and Hypothesis are for experiments alone.
	Name, Description, Hypothesis *string
	// Owners and Tags have no order. None stands twice.
	Owners, Tags []string
}

// The keys of notes, in the order in which they are written.
var (
	layerNotes      = []string{"description", "owners", "tags"}
	serviceNotes    = layerNotes
	experimentNotes = []string{"name", "description", "hypothesis", "owners", "tags"}
)

// notes decodes those of the keys that are there.
func (o *object) notes(keys []string) Notes {
	var n Notes
	for _, key := range keys {
		if _, ok := o.members[key]; !ok {
			continue
		}
		switch key {
		case "name":
			n.Name = new(optional(o, key, text(MaxNoteBytes)))
		case "description":
			n.Description = new(optional(o, key, text(MaxProseBytes)))
		case "hypothesis":
			n.Hypothesis = new(optional(o, key, text(MaxProseBytes)))
		case "owners":
			n.Owners = optional(o, key, (*decoder).noteItems)
		case "tags":
			n.Tags = optional(o, key, (*decoder).noteItems)
		}
	}
	return n
}

// text makes a decoder of strings of at most so many bytes.
func text(most int) func(*decoder, *value, *path) string {
	return func(d *decoder, v *value, at *path) string {
		text := d.text(v, at)
		if len(text) > most {
			d.fault(int(v.line), at, "is %d bytes long, at most %d are allowed", len(text), most)
		}
		return text
	}
}

// noteItems decodes owners or tags. The result is not nil, unless at fault.
func (d *decoder) noteItems(v *value, at *path) []string {
	items := list(d, v, at, text(MaxNoteBytes))
	if len(items) > MaxNoteItems {
		d.fault(int(v.line), at, "are %d, at most %d are allowed", len(items), MaxNoteItems)
		return items
	}
	for i, item := range items {
		member := &v.items[i]
		if member.kind != jsonscan.String {
			continue // a fault already
		}
		switch first := slices.Index(items, item); {
		case item == "":
			d.fault(int(member.line), at.at(i), "is empty, want 1 to %d bytes", MaxNoteBytes)
		case first < i:
			d.fault(int(member.line), at.at(i), "is the same as %s", at.at(first))
		}
	}
	return items
}

// values returns the members of those notes that are not empty.
func (n Notes) values() []value {
	var members []value
	for _, note := range []struct {
		key  string
		text *string
	}{{"name", n.Name}, {"description", n.Description}, {"hypothesis", n.Hypothesis}} {
		if note.text != nil && *note.text != "" {
			members = append(members, newText(note.key, *note.text))
		}
	}
	for _, note := range []struct {
		key   string
		items []string
	}{{"owners", n.Owners}, {"tags", n.Tags}} {
		if len(note.items) > 0 {
			item := func(text string) value { return newText("", text) }
			members = append(members, inline(newList(note.key, note.items, item)))
		}
	}
	return members
}

// same reports whether notes are the same once absent ones are taken for empty.
func (n Notes) same(other Notes) bool {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	return text(n.Name) == text(other.Name) && text(n.Description) == text(other.Description) &&
		text(n.Hypothesis) == text(other.Hypothesis) &&
		slices.Equal(n.Owners, other.Owners) && slices.Equal(n.Tags, other.Tags)
}
