package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/present"
)

// folderLayout says what the folder of a configuration looks like.
const folderLayout = "want a folder that has layers/ and experiments/ in it, and a fields.yaml and services/ if it declares fields and services"

// loadFolder reads the configuration in a folder. The error is manifest.Faults
// if its files are at fault.
func loadFolder(folder string) (*manifest.Set, error) {
	switch info, err := os.Stat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist: %s", folder, folderLayout)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file: %s", folder, folderLayout)
	}
	var missing []string
	for _, part := range []string{"layers", "experiments"} {
		if _, err := os.Stat(filepath.Join(folder, part)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, "no "+part+"/")
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s has %s: %s", folder, strings.Join(missing, " and "), folderLayout)
	}
	return manifest.NewLoader(manifest.In(folder)).Load()
}

// oneFolder is the argument of the commands that work on a folder.
func oneFolder(command *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one folder, got %d: %s", len(args), command.UseLine())
	}
	return nil
}

// completeFolder completes the folder, and nothing after it.
func completeFolder(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// registerCompletion panics if the command has no such flag.
func registerCompletion(command *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := command.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}

// writeJSON writes a value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeValue writes a value as JSON or, in the same words, as YAML.
func writeValue(w io.Writer, format outputFormat, value any) error {
	if format == asJSON {
		return writeJSON(w, value)
	}
	var text bytes.Buffer
	if err := writeJSON(&text, value); err != nil {
		return err
	}
	return present.JSONAsYAML(w, text.Bytes())
}
