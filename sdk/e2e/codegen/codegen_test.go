package codegen_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const root = "../../.."

// golden returns what strata codegen writes for a configuration that has something
// of everything.
func golden(t *testing.T, extension string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "internal/codegen/testdata/services."+extension+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// absolute returns the whole path of a file of the repository, which must be
// there.
func absolute(t *testing.T, name, otherwise string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there: %s", name, otherwise)
	}
	return path
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "MYPYPATH="+absolute(t, "sdk/python/src", "it is part of the repository"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

// TestGo vets a package of the module that is passed over by all other commands,
// as it stands in testdata.
func TestGo(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("testdata", "params-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	write(t, dir, "params.go", golden(t, "go"))
	write(t, dir, "use.go", `package params

import strata "github.com/strata-exp/strata/sdk/go"

func use(client *strata.Client) (string, int64, float64, *string, map[string]any, any) {
	p := EvaluateRankerSvc(client, strata.Context{"user_id": "u"})
	shop := EvaluateShopCheckoutV2(client, nil)
	return p.Algorithm(RankerSvcAlgorithmBaseline) + p.Model().Version("v1"), p.TimeoutMs(100), p.Model().Weight(0.5),
		shop.Theme(nil), p.Scores(nil), p.Either("x")
}

var _ = use
`)
	run(t, ".", "go", "vet", "./"+dir)
}

func TestTypeScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const install = "make sdk/ts/node_modules/.package-lock.json"
	tsc, modules := absolute(t, "sdk/ts/node_modules/.bin/tsc", install), absolute(t, "sdk/ts/node_modules/@types", install)
	config, err := json.Marshal(map[string]any{
		"files": []string{"params.ts", "use.ts"},
		"compilerOptions": map[string]any{
			"target": "ES2022", "lib": []string{"ES2022", "DOM", "DOM.Iterable"}, "module": "NodeNext", "moduleResolution": "NodeNext", "noEmit": true,
			"strict": true, "noImplicitReturns": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true, "skipLibCheck": true,
			"verbatimModuleSyntax": true, "noUnusedLocals": true, "noFallthroughCasesInSwitch": true, "noPropertyAccessFromIndexSignature": true,
			"types": []string{"node"}, "typeRoots": []string{modules},
			"paths": map[string][]string{"@strata-exp/sdk": {absolute(t, "sdk/ts/dist/index.d.ts", "make sdk/ts/dist/.built")}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "tsconfig.json", string(config))
	write(t, dir, "package.json", `{"type": "module"}`)
	write(t, dir, "params.ts", golden(t, "ts"))
	write(t, dir, "use.ts", `import type { Client } from "@strata-exp/sdk";
import { evaluateRankerSvc, evaluateShopCheckoutV2, type RankerSvcAlgorithm } from "./params.js";

export function use(client: Client): [RankerSvcAlgorithm, string, number, string | null, Readonly<Record<string, unknown>>, unknown] {
  const p = evaluateRankerSvc(client, { user_id: "u" });
  const shop = evaluateShopCheckoutV2(client, {});
  // @ts-expect-error It is none of those that it may be.
  p.algorithm("random");
  return [p.algorithm("gbdt"), p.model().version("v1"), p.model().weight(0.5), shop.theme(null), p.scores({}), p.either("x")];
}
`)
	run(t, dir, tsc, "--project", dir)
	run(t, dir, absolute(t, "sdk/ts/node_modules/.bin/prettier", install), "--no-config", "--check", "params.ts")
}

func TestPython(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const install = "make sdk/python/.venv/.installed"
	mypy, ruff := absolute(t, "sdk/python/.venv/bin/mypy", install), absolute(t, "sdk/python/.venv/bin/ruff", install)
	write(t, dir, "params.py", golden(t, "py"))
	write(t, dir, "use.py", `from __future__ import annotations

from typing import Any

import params
from strata import Client


def use(client: Client) -> tuple[params.RankerSvcAlgorithm, str, float, str | None, dict[str, Any]]:
    p = params.evaluate_ranker_svc(client, {"user_id": "u"})
    shop = params.evaluate_shop_checkout_v2(client, {})
    p.algorithm("random")  # type: ignore[arg-type]
    return (p.algorithm("gbdt"), p.model().version("v1"), p.model().weight(0.5), shop.theme(None), p.scores({}))
`)
	run(t, dir, mypy, "--strict", "--cache-dir", filepath.Join(dir, "cache"), "params.py", "use.py")
	run(t, dir, ruff, "format", "--isolated", "--diff", "params.py")
	run(t, dir, ruff, "check", "--isolated", "--select", "E4,E7,E9,F,I,UP,B,SIM", "params.py")
}
