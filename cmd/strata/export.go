package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/settings"
)

func newExport(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var output outputFormat
	var revision int64
	var prune bool
	command := &cobra.Command{
		Use:   "export [DIR]",
		Short: "Write an environment as files",
		Long: `Write the layers, experiments, fields and services of an environment in the file
format that "strata apply" and data planes read: as one bundle on standard output or, with
DIR, as a folder. Files in a folder that say the same already are not touched.

Files have no words for the states of experiments, and none for slots that are
held or rest. Applying what was exported changes nothing.`,
		Example: `  strata export > production.yaml
  strata export configs --env production --prune
  strata export --revision 41 -o json`,
		Args: atMostOne("a folder"), ValidArgsFunction: completeFolder,
	}
	c.register(command)
	registerOutput(command, &output, asYAML, asJSON)
	registerRevision(command, &revision, "`number` of the revision to write; default the newest")
	command.Flags().BoolVar(&prune, "prune", false, "remove files of DIR whose layer, experiment, service or fields the environment does not have")
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		switch {
		case len(args) > 0 && command.Flags().Changed("output"):
			return errors.New("--output goes with a bundle: files in a folder keep their format, and new ones are YAML")
		case len(args) == 0 && prune:
			return errors.New("--prune goes with a folder")
		}
		set, err := s.contents(command, revision)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			return exportFolder(command, args[0], set, prune)
		}
		format := manifest.YAML
		if output == asJSON {
			format = manifest.JSON
		}
		text, err := manifest.EncodeBundle(set, format)
		if err != nil {
			return err
		}
		_, err = command.OutOrStdout().Write(text)
		return err
	})
	return command
}

// contents returns a revision as files have it; 0 is the newest.
func (s *server) contents(command *cobra.Command, revision int64) (*manifest.Set, error) {
	request := &adminv1.RevisionServiceGetRequest{Environment: s.environment, WithContents: true}
	if revision > 0 {
		request.At = &adminv1.RevisionServiceGetRequest_Revision{Revision: revision}
	}
	response, err := s.revisions.Get(command.Context(), request)
	if err != nil {
		return nil, err
	}
	return setOf(response.GetContents()), nil
}

// setOf returns the contents of a revision as files have them.
func setOf(contents *adminv1.Contents) *manifest.Set {
	snapshot := &configv1.Snapshot{Fields: contents.GetFields()}
	var layers, experiments []manifest.Notes
	for _, l := range contents.GetLayers() {
		snapshot.Layers = append(snapshot.Layers, &configv1.Layer{
			LayerId: l.GetLayerId(), Version: l.GetVersion(), Priority: l.GetPriority(), HashKey: l.GetHashKey(), Salt: l.GetSalt(),
			Enabled: l.Enabled == nil || l.GetEnabled(), Ranges: l.GetRanges(), Service: l.GetService(),
		})
		layers = append(layers, manifest.Notes{Description: new(l.GetDescription()), Owners: l.GetOwners(), Tags: l.GetTags()})
	}
	for _, e := range contents.GetExperiments() {
		snapshot.Experiments = append(snapshot.Experiments, &configv1.Experiment{
			Eid: e.GetEid(), Service: e.GetService(), Rule: e.GetRule(), Variants: e.GetVariants(),
		})
		experiments = append(experiments, manifest.Notes{
			Name: new(e.GetName()), Description: new(e.GetDescription()), Hypothesis: new(e.GetHypothesis()),
			Owners: e.GetOwners(), Tags: e.GetTags(),
		})
	}
	var services []*manifest.Service
	var notes []manifest.Notes
	for _, s := range contents.GetServices() {
		services = append(services, &manifest.Service{Name: s.GetService(), SchemaJSON: s.GetSchemaJson()})
		notes = append(notes, manifest.Notes{Description: new(s.GetDescription()), Owners: s.GetOwners(), Tags: s.GetTags()})
	}
	return manifest.NewSet(snapshot, layers, experiments).WithServices(services, notes)
}

func exportFolder(command *cobra.Command, dir string, set *manifest.Set, prune bool) error {
	changes, err := manifest.WriteFolder(dir, set, prune)
	if err != nil {
		return refused(dir, err)
	}
	messages := command.ErrOrStderr()
	for _, name := range changes.Written {
		fmt.Fprintln(messages, "wrote", explain.Printable(name))
	}
	stale := "stale, which --prune removes:"
	if prune {
		stale = "removed"
	}
	for _, name := range changes.Stale {
		fmt.Fprintln(messages, stale, explain.Printable(name))
	}
	if len(changes.Written) == 0 {
		fmt.Fprintln(messages, explain.Printable(dir), "says the same already")
	}
	return nil
}
