package main

// plants are errors that a comparison has to find, each in an engine that is
// otherwise right.
var plants = []plant{
	{
		"go", "slot", "sdk/go/engine/bucket.go",
		"return uint16(s.hash(k) % Slots)",
		"return uint16((s.hash(k) + 1) % Slots)",
	},
	{
		"go", "lte", "sdk/go/engine/rule.go",
		"return less | equal",
		"return less",
	},
	{
		"go", "merge", "sdk/go/engine/ruleset.go",
		"m.inputs = append(m.inputs, contributor{match.params, int32(i)})",
		"m.inputs = append([]contributor{{match.params, int32(i)}}, m.inputs...)",
	},
	{
		"python", "slot", "src/strata/_engine/decide.py",
		"xxh64_intdigest(layer.salt + key) % SLOTS",
		"(xxh64_intdigest(layer.salt + key) + 1) % SLOTS",
	},
	{
		"python", "lte", "src/strata/_engine/rule.py",
		"Operator.LTE: operator.le,",
		"Operator.LTE: operator.lt,",
	},
	{
		"python", "merge", "src/strata/_engine/merge.py",
		"for match, params in contributors:",
		"for match, params in reversed(contributors):",
	},
	{
		"typescript", "slot", "dist/engine/decide.js",
		"const slot = layer.salt.slot(key);",
		"const slot = (layer.salt.slot(key) + 1) % 10_000;",
	},
	{
		"typescript", "lte", "dist/engine/rule.js",
		"return less | equal;",
		"return less;",
	},
	{
		"typescript", "merge", "dist/engine/merge.js",
		"for (const { match, params } of parts) {",
		"for (const { match, params } of parts.toReversed()) {",
	},
}
