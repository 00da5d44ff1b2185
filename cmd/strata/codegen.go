package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/codegen"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

// codegenFlags say what to generate.
type codegenFlags struct {
	language string
	services []string
	packages string
	out      string
	folder   string
	revision int64
	check    bool
}

func newCodegen(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	f := &codegenFlags{}
	command := &cobra.Command{
		Use:   "codegen --lang LANGUAGE --out FILE",
		Short: "Write typed accessors of the parameters of services",
		Long: `Write source code that reads the parameters of services with their types, through
the SDK of the language, so that a slip in a path or a type does not compile. What
a parameter is comes from the values of all variants of a service's experiments,
and from the JSON Schema of the service if it declares one, which has the last
word. Values of types that do not go together are reported, with where they are.

They are taken from the newest revision of an environment, from an earlier one, or
from a folder; then no server is asked. A file that says the same already is not
touched.

With --check nothing is written: exits with 0 if the file is what would be
written, and with 1 if it is not, with what differs. Else exits with 0 if the file
is current now, and with 1 on an error.`,
		Example: `  strata codegen --lang go --package params --out params/params.go
  strata codegen --lang ts --service ranker_svc --out src/params.ts --env production
  strata codegen --lang python -f examples/configs --out params.py
  strata codegen --lang go --out params/params.go --check`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("want no arguments, got %q: %s", args[0], command.UseLine())
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	f.register(command)
	registerCompletion(command, "service", f.completeService(c))
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := f.validate(command); err != nil {
			return err
		}
		if f.folder == "" {
			return c.in(func(command *cobra.Command, s *server, _ []string) error {
				set, err := s.contents(command, f.revision)
				if err != nil {
					return err
				}
				return f.run(command, set, s.environment)
			})(command, nil)
		}
		set, err := f.load()
		if err != nil {
			return err
		}
		return f.run(command, set, filepath.ToSlash(filepath.Clean(f.folder)))
	}
	return command
}

func (f *codegenFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.language, "lang", "", "`language` of the code: "+f.languages(", "))
	flags.StringArrayVarP(&f.services, "service", "s", nil, "`name` of a service; can stand more than once; default all that have experiments or a schema")
	flags.StringVar(&f.packages, "package", "params", "`name` of the package, of Go")
	flags.StringVar(&f.out, "out", "", "`file` to write")
	flags.StringVarP(&f.folder, "file", "f", "", "take them from the configuration in this `folder`, and ask no server")
	flags.BoolVar(&f.check, "check", false, "only check whether the file is current")
	registerRevision(command, &f.revision, "`number` of the revision to take them from; default the newest")
	registerCompletion(command, "lang", cobra.FixedCompletions(strings.Split(f.languages(" "), " "), cobra.ShellCompDirectiveNoFileComp))
	registerCompletion(command, "package", cobra.NoFileCompletions)
	registerCompletion(command, "file", completeFolder)
}

// completeService completes the name of a service from where it would be taken.
func (f *codegenFlags) completeService(c *connection) cobra.CompletionFunc {
	online := c.complete(services)
	return func(command *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if f.folder == "" {
			return online(command, args, word)
		}
		set, err := loadFolder(f.folder)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, s := range declaredOf(set) {
			names = append(names, s.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func (f *codegenFlags) languages(separator string) string {
	names := make([]string, len(codegen.Languages))
	for i, language := range codegen.Languages {
		names[i] = string(language)
	}
	return strings.Join(names, separator)
}

func (f *codegenFlags) validate(command *cobra.Command) error {
	flags := command.Flags()
	switch {
	case !slices.Contains(codegen.Languages, codegen.Language(f.language)):
		return fmt.Errorf("--lang %q: want %s", f.language, f.languages(" or "))
	case f.out == "":
		return errors.New("want a file to write: --out FILE")
	case flags.Changed("package") && codegen.Language(f.language) != codegen.Go:
		return errors.New("--package goes with --lang go")
	case !token.IsIdentifier(f.packages):
		return fmt.Errorf("--package %q: want the name of a package", f.packages)
	}
	if f.folder == "" {
		return nil
	}
	for _, name := range []string{"env", "revision", "server", "audience"} {
		if flags.Changed(name) {
			return fmt.Errorf("--%s goes with a control plane, and -f asks none", name)
		}
	}
	return nil
}

// load reads the folder. What is at fault with it is told as by lint.
func (f *codegenFlags) load() (*manifest.Set, error) {
	set, err := loadFolder(f.folder)
	if err == nil {
		_, err = set.Compile(nil, 0)
	}
	if err == nil {
		err = set.CheckSchemas()
	}
	if err != nil {
		return nil, refused(f.folder, err)
	}
	return set, nil
}

// run generates the code, and writes or checks the file.
func (f *codegenFlags) run(command *cobra.Command, set *manifest.Set, source string) error {
	chosen, err := f.choose(declaredOf(set), source)
	if err != nil {
		return err
	}
	text, err := codegen.Generate(chosen, codegen.Options{Language: codegen.Language(f.language), Source: source, Package: f.packages})
	if faults, ok := errors.AsType[codegen.Faults](err); ok {
		for _, fault := range faults {
			fmt.Fprintln(command.ErrOrStderr(), explain.Printable(fault.String()))
		}
		return fmt.Errorf("%s in the parameters of %s", present.Count(len(faults), "fault"), source)
	} else if err != nil {
		return err
	}
	there, err := os.ReadFile(f.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	current := err == nil && bytes.Equal(there, text)
	switch {
	case current:
		_, err = fmt.Fprintln(command.ErrOrStderr(), explain.Printable(f.out), "is current")
		return err
	case f.check && err != nil:
		return fmt.Errorf("%s is not there: write it by the same command without --check", f.out)
	case f.check:
		fmt.Fprint(command.OutOrStdout(), drift(string(there), string(text)))
		return fmt.Errorf("%s is not current: write it anew by the same command without --check", f.out)
	}
	if err := os.WriteFile(f.out, text, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.ErrOrStderr(), "wrote %s: %s\n", explain.Printable(f.out), present.Count(len(chosen), "service"))
	return err
}

// declaredOf gathers what a configuration says of services, by name.
func declaredOf(set *manifest.Set) []codegen.Service {
	found := map[string]*codegen.Service{}
	at := func(name string) *codegen.Service {
		if found[name] == nil {
			found[name] = &codegen.Service{Name: name}
		}
		return found[name]
	}
	for i, declared := range set.Services {
		s := at(declared.Name)
		s.Schema, s.Description = declared.SchemaJSON, noteText(set.ServiceNotes(i).Description)
	}
	for _, x := range set.Snapshot.GetExperiments() {
		s := at(x.GetService())
		s.Variants = append(s.Variants, variantsOf(x)...)
	}
	all := make([]codegen.Service, 0, len(found))
	for _, s := range found {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b codegen.Service) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func variantsOf(x *configv1.Experiment) []codegen.Variant {
	all := make([]codegen.Variant, len(x.GetVariants()))
	for i, v := range x.GetVariants() {
		all[i] = codegen.Variant{EID: x.GetEid(), VID: v.GetVid(), Params: v.GetParamsJson()}
	}
	return all
}

// choose returns the services that were asked for.
func (f *codegenFlags) choose(all []codegen.Service, source string) ([]codegen.Service, error) {
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no services", source)
	}
	if len(f.services) == 0 {
		return all, nil
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.Name
	}
	for _, name := range f.services {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s has no service %s: it has %s", source, explain.Printable(name), explain.Printable(strings.Join(names, ", ")))
		}
	}
	return slices.DeleteFunc(all, func(s codegen.Service) bool { return !slices.Contains(f.services, s.Name) }), nil
}

// drift says in short in which lines two texts differ.
func drift(before, after string) string {
	const mostShown = 10
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	first := 0
	for first < len(was) && first < len(is) && was[first] == is[first] {
		first++
	}
	was, is = was[first:], is[first:]
	for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "from line %d on, %s would become %d:\n", first+1, present.Count(len(was), "line"), len(is))
	show := func(mark string, lines []string) {
		for _, line := range lines[:min(len(lines), mostShown)] {
			fmt.Fprintln(&b, strings.TrimRight(mark+" "+explain.Printable(strings.ReplaceAll(line, "\t", "    ")), " "))
		}
		if more := len(lines) - mostShown; more > 0 {
			fmt.Fprintf(&b, "%s … and %d more\n", mark, more)
		}
	}
	show("-", was)
	show("+", is)
	return b.String()
}
