package hashtree_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/strata-exp/strata/sdk/go/hashtree"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorsFile = "../../conformance/hashtree/vectors.json"

type (
	treeVector struct {
		Name     string         `json:"name"`
		Entities []entityVector `json:"entities"`
		Hash     string         `json:"hash_hex"`
	}
	entityVector struct {
		Kind    uint8  `json:"kind"`
		Key     string `json:"key"`
		Payload string `json:"payload_hex"`
	}
)

func (v treeVector) hash(t *testing.T) hashtree.Hash {
	t.Helper()
	var tree hashtree.Tree[*item]
	for _, e := range v.Entities {
		payload, err := hex.DecodeString(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		tree.Put(&item{hashtree.Key{Kind: e.Kind, Name: e.Key}, string(payload)})
	}
	tree.Seal()
	return tree.Hash()
}

func entityVectorOf(kind uint8, key, payload string) entityVector {
	return entityVector{kind, key, hex.EncodeToString([]byte(payload))}
}

func treeVectors() []treeVector {
	many := treeVector{Name: "six hundred entities, so that leaves have several"}
	for i := range 600 {
		kind := uint8(1 + i%3)
		many.Entities = append(many.Entities, entityVectorOf(kind, fmt.Sprint("key-", i*7919%600), fmt.Sprint("payload ", i)))
	}
	order := treeVector{Name: "keys in an order that UTF-16 does not have"}
	for i := range 100 {
		for _, name := range []string{"\uffee", "\U0001f600", "é", "z"} {
			order.Entities = append(order.Entities, entityVectorOf(9, fmt.Sprint(name, i), name))
		}
	}
	return []treeVector{
		{Name: "nothing", Entities: []entityVector{}},
		{Name: "one", Entities: []entityVector{entityVectorOf(1, "layer", "contents")}},
		{Name: "an empty payload", Entities: []entityVector{entityVectorOf(2, "1", "")}},
		{Name: "three kinds, one unknown", Entities: []entityVector{
			entityVectorOf(1, "a", "x"), entityVectorOf(2, "1", ""), entityVectorOf(255, "é", "y"),
		}},
		{Name: "one key in three kinds", Entities: []entityVector{
			entityVectorOf(1, "k", "a"), entityVectorOf(2, "k", "b"), entityVectorOf(3, "k", "c"),
		}},
		{Name: "a put that replaces", Entities: []entityVector{entityVectorOf(3, "f", "before"), entityVectorOf(3, "f", "after")}},
		{Name: "the longest key", Entities: []entityVector{entityVectorOf(1, strings.Repeat("k", 256), "x")}},
		order,
		many,
	}
}

// TestSharedVectors holds the file that SDKs of other languages are checked with.
func TestSharedVectors(t *testing.T) {
	t.Parallel()
	made := treeVectors()
	for i := range made {
		made[i].Hash = made[i].hash(t).String()
	}
	var want bytes.Buffer
	for i, v := range made {
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want.WriteString(map[bool]string{true: "{\"trees\": [\n", false: ",\n"}[i == 0])
		want.Write(line)
	}
	want.WriteString("\n]}\n")
	if *update {
		if err := os.WriteFile(vectorsFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the code makes", vectorsFile)
	}
}
