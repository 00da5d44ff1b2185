package engine_test

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// naive is a second implementation of docs/semantics.md, written to be read
// against that page and for nothing else: no index, no cache, no compiled form.
// Values are those of encoding/json.
type naive struct {
	snapshot *configv1.Snapshot
}

type naiveResult struct {
	Parameters    map[string]any
	VIDs          []int32
	MatchedLayers []string
}

func (n naive) evaluate(service string, context map[string]any, only []string) naiveResult {
	result := naiveResult{Parameters: map[string]any{}, VIDs: []int32{}, MatchedLayers: []string{}}
	layers := slices.Clone(n.snapshot.GetLayers())
	sort.Slice(layers, func(i, j int) bool {
		if layers[i].GetPriority() != layers[j].GetPriority() {
			return layers[i].GetPriority() > layers[j].GetPriority()
		}
		return layers[i].GetLayerId() < layers[j].GetLayerId()
	})
	for _, layer := range layers {
		if !layer.GetEnabled() || len(only) > 0 && !slices.Contains(only, layer.GetLayerId()) {
			continue
		}
		key, ok := naiveKey(context[layer.GetHashKey()])
		if !ok {
			continue
		}
		slot := int32(xxhash.Sum64String(layer.GetSalt()+"\x00"+key) % 10000)
		for _, r := range layer.GetRanges() {
			if slot < r.GetStart() || slot >= r.GetEnd() {
				continue
			}
			for _, experiment := range n.snapshot.GetExperiments() {
				for _, variant := range experiment.GetVariants() {
					if variant.GetVid() != r.GetVid() || experiment.GetService() != service {
						continue
					}
					if experiment.GetRule() != nil && n.rule(experiment.GetRule(), context) != "TRUE" {
						continue
					}
					var params map[string]any
					if err := json.Unmarshal([]byte(variant.GetParamsJson()), &params); err != nil {
						panic(err)
					}
					naiveMerge(result.Parameters, params)
					result.VIDs = append(result.VIDs, variant.GetVid())
					result.MatchedLayers = append(result.MatchedLayers, layer.GetLayerId())
				}
			}
		}
	}
	return result
}

func naiveKey(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, value != ""
	case float64:
		if value == math.Trunc(value) && math.Abs(value) <= 1<<53-1 {
			return strconv.FormatInt(int64(value), 10), true
		}
	}
	return "", false
}

func naiveMerge(result, lower map[string]any) {
	for key, value := range lower {
		present, ok := result[key]
		if !ok {
			result[key] = value
			continue
		}
		above, isObject := present.(map[string]any)
		below, areObjects := value.(map[string]any)
		if isObject && areObjects {
			naiveMerge(above, below)
		}
	}
}

// rule returns TRUE, FALSE or UNKNOWN.
func (n naive) rule(rule *configv1.Rule, context map[string]any) string {
	var children []string
	for _, child := range rule.GetChildren() {
		children = append(children, n.rule(child, context))
	}
	switch rule.GetOp() {
	case configv1.Operator_OPERATOR_AND:
		switch {
		case slices.Contains(children, "FALSE"):
			return "FALSE"
		case slices.Contains(children, "UNKNOWN"):
			return "UNKNOWN"
		}
		return "TRUE"
	case configv1.Operator_OPERATOR_OR:
		switch {
		case slices.Contains(children, "TRUE"):
			return "TRUE"
		case slices.Contains(children, "UNKNOWN"):
			return "UNKNOWN"
		}
		return "FALSE"
	case configv1.Operator_OPERATOR_NOT:
		return map[string]string{"TRUE": "FALSE", "FALSE": "TRUE", "UNKNOWN": "UNKNOWN"}[children[0]]
	}
	return n.condition(rule, context[rule.GetField()])
}

func (n naive) condition(rule *configv1.Rule, seen any) string {
	typ := n.fieldType(rule)
	var values []any
	for _, v := range rule.GetValues() {
		switch kind := v.GetKind().(type) {
		case *configv1.Value_StringValue:
			values = append(values, kind.StringValue)
		case *configv1.Value_NumberValue:
			values = append(values, kind.NumberValue)
		case *configv1.Value_BoolValue:
			values = append(values, kind.BoolValue)
		}
	}
	if !naiveHasType(seen, typ) {
		return "UNKNOWN"
	}
	truth := false
	compare := func(i int) int { return naiveCompare(seen, values[i], typ) }
	equal := false
	for i := range values {
		if rule.GetOp() != configv1.Operator_OPERATOR_LIKE && rule.GetOp() != configv1.Operator_OPERATOR_NOT_LIKE {
			equal = equal || compare(i) == 0
		}
	}
	switch rule.GetOp() {
	case configv1.Operator_OPERATOR_EQ, configv1.Operator_OPERATOR_IN:
		truth = equal
	case configv1.Operator_OPERATOR_NEQ, configv1.Operator_OPERATOR_NOT_IN:
		truth = !equal
	case configv1.Operator_OPERATOR_GT:
		truth = compare(0) > 0
	case configv1.Operator_OPERATOR_GTE:
		truth = compare(0) >= 0
	case configv1.Operator_OPERATOR_LT:
		truth = compare(0) < 0
	case configv1.Operator_OPERATOR_LTE:
		truth = compare(0) <= 0
	case configv1.Operator_OPERATOR_LIKE:
		truth = naiveLike(values[0].(string)).MatchString(seen.(string))
	case configv1.Operator_OPERATOR_NOT_LIKE:
		truth = !naiveLike(values[0].(string)).MatchString(seen.(string))
	}
	return strings.ToUpper(strconv.FormatBool(truth))
}

func (n naive) fieldType(rule *configv1.Rule) configv1.FieldType {
	for _, field := range n.snapshot.GetFields() {
		if field.GetName() == rule.GetField() {
			return field.GetType()
		}
	}
	for _, v := range rule.GetValues() {
		switch kind := v.GetKind().(type) {
		case *configv1.Value_StringValue:
			return configv1.FieldType_FIELD_TYPE_STRING
		case *configv1.Value_BoolValue:
			return configv1.FieldType_FIELD_TYPE_BOOL
		case *configv1.Value_NumberValue:
			if !naiveHasType(kind.NumberValue, configv1.FieldType_FIELD_TYPE_INT) {
				return configv1.FieldType_FIELD_TYPE_FLOAT
			}
		}
	}
	return configv1.FieldType_FIELD_TYPE_INT
}

func naiveHasType(value any, typ configv1.FieldType) bool {
	switch typ {
	case configv1.FieldType_FIELD_TYPE_STRING:
		_, ok := value.(string)
		return ok
	case configv1.FieldType_FIELD_TYPE_BOOL:
		_, ok := value.(bool)
		return ok
	case configv1.FieldType_FIELD_TYPE_FLOAT:
		_, ok := value.(float64)
		return ok
	case configv1.FieldType_FIELD_TYPE_INT:
		number, ok := value.(float64)
		return ok && number == math.Trunc(number) && math.Abs(number) <= 1<<53-1
	default:
		text, ok := value.(string)
		return ok && naiveSemver.MatchString(text)
	}
}

func naiveCompare(a, b any, typ configv1.FieldType) int {
	switch typ {
	case configv1.FieldType_FIELD_TYPE_STRING:
		return slices.Compare([]rune(a.(string)), []rune(b.(string)))
	case configv1.FieldType_FIELD_TYPE_SEMVER:
		return naiveCompareSemver(a.(string), b.(string))
	case configv1.FieldType_FIELD_TYPE_BOOL:
		if a == b {
			return 0
		}
		return 1
	default:
		return new(big.Float).SetFloat64(a.(float64)).Cmp(new(big.Float).SetFloat64(b.(float64)))
	}
}

// naiveLike is a pattern as a regular expression.
func naiveLike(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, `\*`), strings.HasPrefix(pattern, `\\`):
			b.WriteString(regexp.QuoteMeta(pattern[1:2]))
			pattern = pattern[2:]
		case pattern[0] == '*':
			b.WriteString(`.*`)
			pattern = pattern[1:]
		default:
			r := []rune(pattern)[0]
			b.WriteString(regexp.QuoteMeta(string(r)))
			pattern = pattern[len(string(r)):]
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

// naiveSemver is the expression that semver.org suggests, with a v allowed and
// minor and patch optional.
var naiveSemver = regexp.MustCompile(`^v?(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?)?` +
	`(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?` +
	`(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)

func naiveCompareSemver(a, b string) int {
	left, right := naiveSemver.FindStringSubmatch(a), naiveSemver.FindStringSubmatch(b)
	number := func(text string) *big.Int {
		n, _ := new(big.Int).SetString("0"+text, 10)
		return n
	}
	for i := 1; i <= 3; i++ {
		if c := number(left[i]).Cmp(number(right[i])); c != 0 {
			return c
		}
	}
	if left[4] == "" || right[4] == "" {
		// A release is greater than any of its prereleases.
		return strings.Compare(right[4], left[4])
	}
	x, y := strings.Split(left[4], "."), strings.Split(right[4], ".")
	for i := range min(len(x), len(y)) {
		xNumeric := strings.Trim(x[i], "0123456789") == ""
		yNumeric := strings.Trim(y[i], "0123456789") == ""
		var c int
		switch {
		case xNumeric && yNumeric:
			c = number(x[i]).Cmp(number(y[i]))
		case xNumeric:
			c = -1
		case yNumeric:
			c = 1
		default:
			c = strings.Compare(x[i], y[i])
		}
		if c != 0 {
			return c
		}
	}
	return len(x) - len(y)
}
