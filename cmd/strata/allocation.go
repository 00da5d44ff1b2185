package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// allocationFlags say how much traffic each variant gets.
type allocationFlags struct {
	percent, slots, weights []string
	total                   int32
}

func (f *allocationFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVar(&f.percent, "percent", nil, "`VID=PERCENT` of the layer; can stand more than once")
	flags.StringSliceVar(&f.slots, "slots", nil, "`VID=SLOTS` of the 10,000 in a layer; can stand more than once")
	flags.StringSliceVar(&f.weights, "weights", nil, "`VID=WEIGHT`, how --total is split; can stand more than once")
	flags.Int32Var(&f.total, "total", -1, "how many `slots` --weights splits")
	flags.Lookup("total").DefValue = "0" // of which the help says nothing
	for _, name := range []string{"percent", "slots", "weights", "total"} {
		registerCompletion(command, name, cobra.NoFileCompletions)
	}
}

// allocation returns what the flags say, nil if they say nothing.
func (f *allocationFlags) allocation() (*adminv1.Allocation, error) {
	given := 0
	for _, flag := range [][]string{f.percent, f.slots, f.weights} {
		if len(flag) > 0 {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("want one of --percent, --slots and --weights")
	case (len(f.weights) > 0) != (f.total >= 0):
		return nil, errors.New("--weights and --total go together: --weights 1001=1,1002=1 --total 2000")
	case len(f.percent) > 0:
		return f.byPercent()
	case len(f.slots) > 0:
		return f.bySlots()
	case len(f.weights) > 0:
		return f.byWeights()
	default:
		return nil, nil
	}
}

func (f *allocationFlags) byPercent() (*adminv1.Allocation, error) {
	kind := &adminv1.Allocation_PercentPerVariant{}
	err := perVariant("percent", f.percent, func(vid int32, text string) error {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(percent) || math.IsInf(percent, 0) {
			return errors.New("want a number, such as 12.5")
		}
		kind.Variants = append(kind.Variants, &adminv1.VariantPercent{Vid: vid, Percent: percent})
		return nil
	})
	return &adminv1.Allocation{Kind: &adminv1.Allocation_Percent{Percent: kind}}, err
}

func (f *allocationFlags) bySlots() (*adminv1.Allocation, error) {
	kind := &adminv1.Allocation_SlotsPerVariant{}
	err := perVariant("slots", f.slots, func(vid int32, text string) error {
		slots, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return errors.New("want a whole number of slots, such as 1250")
		}
		kind.Variants = append(kind.Variants, &adminv1.VariantSlots{Vid: vid, Slots: int32(slots)})
		return nil
	})
	return &adminv1.Allocation{Kind: &adminv1.Allocation_Slots{Slots: kind}}, err
}

func (f *allocationFlags) byWeights() (*adminv1.Allocation, error) {
	kind := &adminv1.Allocation_Weights{TotalSlots: f.total}
	err := perVariant("weights", f.weights, func(vid int32, text string) error {
		weight, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return errors.New("want a whole number, such as 1")
		}
		kind.Variants = append(kind.Variants, &adminv1.VariantWeight{Vid: vid, Weight: int32(weight)})
		return nil
	})
	return &adminv1.Allocation{Kind: &adminv1.Allocation_Weights_{Weights: kind}}, err
}

// perVariant calls add with each variant and what is said of it.
func perVariant(flag string, texts []string, add func(vid int32, text string) error) error {
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--%s %q: want VID=NUMBER", flag, text)
		}
		vid, err := parseID("vid", name)
		if err != nil {
			return fmt.Errorf("--%s %q: %w", flag, text, err)
		}
		if err := add(vid, strings.TrimSuffix(value, "%")); err != nil {
			return fmt.Errorf("--%s %q: %w", flag, text, err)
		}
	}
	return nil
}
