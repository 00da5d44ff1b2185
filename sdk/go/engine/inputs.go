package engine

// symbol stands for the name of a context field or a service inside one
// Ruleset and those made from it.
type symbol int32

// symbols gives names their symbols, which count from 0. It is only ever added
// to, by copying.
type symbols map[string]symbol

// inputs is one evaluation's view of a context: attributes by symbol instead of
// by name, and the keys that have been made of them. It is reused, and cleaned
// by the symbols that were set, so that its size costs nothing.
type inputs struct {
	ctx  Context
	at   []int32 // by symbol: 1 + index into ctx; 0 for absent
	key  []int32 // by symbol: 1 + index into keys; 0 for not made yet
	keys []paddedKey
	ok   []bool   // by index into keys: whether the value can be hashed
	made []symbol // the symbols that have a key
}

// bind makes ctx the context to look at. Names that no rule and no layer uses
// are passed over.
func (in *inputs) bind(names symbols, ctx Context) {
	if missing := len(names) - len(in.at); missing > 0 {
		in.at = append(in.at, make([]int32, missing)...)
		in.key = append(in.key, make([]int32, missing)...)
	}
	in.ctx = ctx
	for i := range ctx {
		if y, ok := names[ctx[i].Name]; ok {
			in.at[y] = int32(i) + 1
		}
	}
}

// forget forgets the context. It takes the names that bind was given.
func (in *inputs) forget(names symbols) {
	for i := range in.ctx {
		if y, ok := names[in.ctx[i].Name]; ok {
			in.at[y] = 0
		}
	}
	for i, y := range in.made {
		in.key[y] = 0
		in.keys[i].text = "" // it shares memory with a request
	}
	in.ctx, in.made, in.keys, in.ok = nil, in.made[:0], in.keys[:0], in.ok[:0]
}

// value returns the attribute of a name, nil if there is none.
func (in *inputs) value(y symbol) *Value {
	i := in.at[y]
	if i == 0 {
		return nil
	}
	return &in.ctx[i-1].Value
}

// hashKey returns the key made of an attribute, nil if none can be made.
func (in *inputs) hashKey(y symbol) *paddedKey {
	i := in.key[y]
	if i == 0 {
		i = in.makeKey(y)
	}
	if !in.ok[i-1] {
		return nil
	}
	return &in.keys[i-1]
}

func (in *inputs) makeKey(y symbol) int32 {
	var text string
	var ok bool
	if v := in.value(y); v != nil {
		text, ok = KeyText(*v)
	}
	n := len(in.keys)
	if n < cap(in.keys) {
		in.keys = in.keys[:n+1]
	} else {
		in.keys = append(in.keys, paddedKey{})
	}
	in.keys[n].set(text)
	in.ok = append(in.ok, ok)
	in.made = append(in.made, y)
	in.key[y] = int32(n) + 1
	return int32(n) + 1
}
