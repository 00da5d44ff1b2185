package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Prefix begins the names of environment variables: the flag --http-addr is
// STRATA_HTTP_ADDR.
const Prefix = "STRATA_"

// FileFlag is the flag that names the YAML file. It is itself taken from the
// command line or the environment only.
const FileFlag = "config"

const (
	aliasesKey = "strata_environment"
	secretKey  = "strata_secret"
)

// Setting is the value of one flag and where it came from.
type Setting struct {
	Name string `json:"name"`
	// Value is the flag's value as text, or *** if it is a secret.
	Value string `json:"value"`
	// Source says where it came from: "flag", "environment LAYERS_DIR",
	// "file strata.yaml:3" or "default".
	Source string `json:"source"`
}

// Alias gives a flag further environment variables, looked at in this order
// after its own. It panics if there is no such flag.
func Alias(flags *pflag.FlagSet, name string, variables ...string) {
	annotate(flags, name, aliasesKey, variables)
}

// Secret makes a flag's value print as ***. It panics if there is no such flag.
func Secret(flags *pflag.FlagSet, name string) {
	annotate(flags, name, secretKey, []string{"true"})
}

func annotate(flags *pflag.FlagSet, name, key string, values []string) {
	if err := flags.SetAnnotation(name, key, values); err != nil {
		panic(err) // a misspelt name in our own code
	}
}

// Variable returns the name of a flag's own environment variable.
func Variable(name string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// LookupEnv finds an environment variable, as os.LookupEnv does.
type LookupEnv func(name string) (value string, ok bool)

// Resolve sets each flag that the command line did not set from the environment
// or the file, and returns all settings, ordered by name. flags must have been
// parsed. An environment variable that is empty counts as absent, as
// orchestrators can not unset one. Flags named in skip are the command's own
// and no settings: they are neither looked up nor returned.
//
// The error joins every fault found.
func Resolve(flags *pflag.FlagSet, env LookupEnv, skip ...string) ([]Setting, error) {
	r := resolver{flags: flags, env: env, sources: map[string]string{}}
	flags.VisitAll(func(f *pflag.Flag) {
		switch {
		case slices.Contains(skip, f.Name), f.Name == "help":
		case f.Changed:
			r.sources[f.Name] = "flag"
		default:
			r.sources[f.Name] = "default"
			r.fromEnvironment(f)
		}
	})
	r.fromFile()
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.settings(), nil
}

type resolver struct {
	flags   *pflag.FlagSet
	env     LookupEnv
	sources map[string]string // of the flags that are settings
	errs    []error
}

func (r *resolver) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *resolver) fromEnvironment(f *pflag.Flag) {
	for _, name := range append([]string{Variable(f.Name)}, f.Annotations[aliasesKey]...) {
		value, _ := r.env(name)
		if value == "" {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			r.fail("%s: %w", name, conceal(f, err))
		}
		r.sources[f.Name] = "environment " + name
		return
	}
}

func (r *resolver) fromFile() {
	f := r.flags.Lookup(FileFlag)
	if f == nil || f.Value.String() == "" {
		return
	}
	file := f.Value.String()
	data, err := os.ReadFile(file)
	if err != nil {
		r.fail("%s of --%s: %w", r.sources[FileFlag], FileFlag, err)
		return
	}
	entries, err := readFile(file, data)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	for _, e := range entries {
		r.fromEntry(e)
	}
}

func (r *resolver) fromEntry(e entry) {
	f := r.flags.Lookup(e.name)
	source, ok := r.sources[e.name]
	if f == nil || !ok || e.name == FileFlag {
		r.fail("%s: unknown key %q%s", e.where, e.key, r.nearest(e.name))
		return
	}
	if source != "default" {
		return
	}
	r.sources[e.name] = "file " + e.where
	if slice, ok := f.Value.(pflag.SliceValue); ok {
		if err := slice.Replace(e.values); err != nil {
			r.fail("%s: %s: %w", e.where, e.key, conceal(f, err))
		}
		return
	}
	if e.list {
		r.fail("%s: %s: want one value, got a list", e.where, e.key)
		return
	}
	if err := f.Value.Set(e.values[0]); err != nil {
		r.fail("%s: %s: %w", e.where, e.key, conceal(f, err))
	}
}

// conceal keeps a secret out of an error, which mostly quotes the value.
func conceal(f *pflag.Flag, err error) error {
	if secret(f) {
		return fmt.Errorf("not a valid %s", f.Value.Type())
	}
	return err
}

func secret(f *pflag.Flag) bool { return len(f.Annotations[secretKey]) > 0 }

func (r *resolver) nearest(name string) string {
	best, least := "", 1+len(name)/3 // further away than this it is no slip
	for known := range r.sources {
		if known == FileFlag {
			continue
		}
		d := distance(name, known)
		if d < least || d == least && best != "" && known < best {
			best, least = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", strings.ReplaceAll(best, "-", "_"))
}

func (r *resolver) settings() []Setting {
	var all []Setting
	for name, source := range r.sources {
		f := r.flags.Lookup(name)
		value := f.Value.String()
		if secret(f) && value != "" {
			value = "***"
		}
		all = append(all, Setting{Name: name, Value: value, Source: source})
	}
	slices.SortFunc(all, func(a, b Setting) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Print writes settings as a table for people.
func Print(w io.Writer, all []Setting) error {
	width := func(column func(Setting) string, title string) int {
		widest := len(title)
		for _, s := range all {
			widest = max(widest, len(column(s)))
		}
		return widest
	}
	value := func(s Setting) string { return cmp.Or(s.Value, "-") }
	names := width(func(s Setting) string { return s.Name }, "SETTING")
	values := width(value, "VALUE")
	line := func(name, value, source string) error {
		_, err := fmt.Fprintf(w, "%-*s  %-*s  %s\n", names, name, values, value, source)
		return err
	}
	if err := line("SETTING", "VALUE", "SOURCE"); err != nil {
		return err
	}
	for _, s := range all {
		if err := line(s.Name, value(s), s.Source); err != nil {
			return err
		}
	}
	return nil
}
