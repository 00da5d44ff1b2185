package lastgood

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// body0 returns the body of a content before it is compressed.
func body0(tb testing.TB, c *Content) []byte {
	tb.Helper()
	var b bytes.Buffer
	e := encoder{w: bufio.NewWriter(&b)}
	if err := e.content(c); err != nil {
		tb.Fatal(err)
	}
	if err := e.w.Flush(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func zip(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func encoded(tb testing.TB, c *Content) []byte {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "file")
	f, err := openFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := encode(f, c); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// FuzzFile reads any bytes as a file. It is an error, or what was written.
func FuzzFile(f *testing.F) {
	f.Add(encoded(f, content(1, "a", "b")))
	f.Add(encoded(f, content(2)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := decode(data); err == nil {
			again, err := decode(encoded(t, c))
			if err != nil || !equal(c, again) {
				t.Fatalf("%v: %+v, written and read it is %+v", err, c, again)
			}
		}
	})
}

// FuzzBody reads any bytes as a body whose digest is right, so that the reader
// sees them.
func FuzzBody(f *testing.F) {
	f.Add(body0(f, content(1, "a", "b")))
	f.Add(body0(f, content(2)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeBody(zip(t, data))
		if err != nil {
			return
		}
		if again := body0(t, c); len(again) == 0 {
			t.Fatal(io.ErrUnexpectedEOF)
		}
		if _, err := decodeBody(zip(t, body0(t, c))); err != nil {
			t.Fatalf("what was read can not be read again: %v", err)
		}
	})
}
