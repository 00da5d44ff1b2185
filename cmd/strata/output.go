package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/internal/present"
)

// outputFormat is how a command prints.
type outputFormat string

const (
	asTable outputFormat = "table"
	asJSON  outputFormat = "json"
	asYAML  outputFormat = "yaml"
)

// outputFlag is the flag --output: a pflag.Value.
type outputFlag struct {
	format  *outputFormat
	formats []outputFormat // that it takes
}

func (f outputFlag) String() string {
	if f.format == nil {
		return ""
	}
	return string(*f.format)
}

func (f outputFlag) Type() string { return f.names("|") }

func (f outputFlag) Set(text string) error {
	if !slices.Contains(f.formats, outputFormat(text)) {
		return fmt.Errorf("want %s", f.names(" or "))
	}
	*f.format = outputFormat(text)
	return nil
}

func (f outputFlag) names(separator string) string {
	names := make([]string, len(f.formats))
	for i, format := range f.formats {
		names[i] = string(format)
	}
	return strings.Join(names, separator)
}

// registerOutput adds the flag --output to a command. The first format is the
// default.
func registerOutput(command *cobra.Command, format *outputFormat, formats ...outputFormat) {
	*format = formats[0]
	f := outputFlag{format, formats}
	command.Flags().VarP(f, "output", "o", "how to print")
	registerCompletion(command, "output", cobra.FixedCompletions(strings.Split(f.names(" "), " "), cobra.ShellCompDirectiveNoFileComp))
}

// write writes a message of a control plane, as a table by the function given.
func (f outputFormat) write(w io.Writer, m proto.Message, table func(io.Writer) error) error {
	switch f {
	case asJSON:
		return present.JSON(w, m)
	case asYAML:
		return present.YAML(w, m)
	default:
		return table(w)
	}
}

// writeJSONLine writes a message as JSON in one line.
func writeJSONLine(w io.Writer, m proto.Message) error {
	var text bytes.Buffer
	if err := present.JSON(&text, m); err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text.Bytes()); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err := w.Write(line.Bytes())
	return err
}
