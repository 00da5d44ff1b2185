package settings

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is one key of a settings file.
type entry struct {
	key    string // as written
	name   string // of the flag
	where  string // file and line
	values []string
	list   bool
}

// readFile reads a YAML mapping from keys to values or lists of values.
func readFile(file string, data []byte) ([]entry, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if document.Kind == 0 {
		return nil, nil // an empty file
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want keys and values, such as http_addr: \":8080\"", file, root.Line)
	}
	var entries []entry
	var errs []error
	seen := map[string]string{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		e, err := readEntry(file, root.Content[i], root.Content[i+1])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if before, ok := seen[e.name]; ok {
			errs = append(errs, fmt.Errorf("%s: %s stands twice, first at %s", e.where, e.key, before))
			continue
		}
		seen[e.name] = e.where
		entries = append(entries, e)
	}
	return entries, errors.Join(errs...)
}

func readEntry(file string, key, value *yaml.Node) (entry, error) {
	e := entry{
		key:   key.Value,
		name:  strings.ReplaceAll(key.Value, "_", "-"),
		where: fmt.Sprintf("%s:%d", file, key.Line),
	}
	switch value.Kind {
	case yaml.ScalarNode:
		if value.Tag == "!!null" {
			return e, fmt.Errorf("%s: %s: want a value, got none", e.where, e.key)
		}
		e.values = []string{value.Value}
	case yaml.SequenceNode:
		e.list = true
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return e, fmt.Errorf("%s: %s: want a list of plain values", e.where, e.key)
			}
			e.values = append(e.values, item.Value)
		}
	default:
		return e, fmt.Errorf("%s: %s: want a plain value or a list of them", e.where, e.key)
	}
	return e, nil
}
