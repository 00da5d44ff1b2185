package lastgood

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// A file is a header and a body. Numbers of the header are big-endian:
//
//	magic (8 bytes) || format (4) || length of the body (8) || SHA-256 of the body (32)
//
// The body is gzipped, and in it numbers are varints, and bytes follow their
// length:
//
//	upstream || environment || services || epoch || revision || hash || token ||
//	version of the keys || keys || entities, each as kind || key || payload
//
// where lists follow their length too.
const (
	magic       = "strataLG"
	format      = 2
	headerBytes = len(magic) + 4 + 8 + sha256.Size
)

const (
	maxFileBytes = 1 << 30
	// maxBodyBytes bounds a body, decompressed.
	maxBodyBytes = 4 << 30
	// maxFieldBytes bounds what stands in a body in one piece.
	maxFieldBytes = view.MaxPartBytes
	// maxTrust is how much memory is taken for a length that was read, before
	// that much was.
	maxTrust = 64 << 10
)

// body is the file after its header.
type body struct {
	file   file
	digest hash.Hash
	length int64
}

func (b *body) Write(p []byte) (int, error) {
	n, err := b.file.WriteAt(p, int64(headerBytes)+b.length)
	b.length += int64(n)
	_, _ = b.digest.Write(p[:n])
	return n, err
}

// encode writes a content to an empty file.
func encode(f file, c *Content) error {
	b := &body{file: f, digest: sha256.New()}
	buffered := bufio.NewWriterSize(b, 64<<10)
	compressed, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return err
	}
	e := encoder{w: bufio.NewWriterSize(compressed, 64<<10)}
	if err := e.content(c); err != nil {
		return err
	}
	if err := errors.Join(e.w.Flush(), compressed.Close(), buffered.Flush()); err != nil {
		return err
	}
	header := []byte(magic)
	header = binary.BigEndian.AppendUint32(header, format)
	header = binary.BigEndian.AppendUint64(header, uint64(b.length))
	_, err = f.WriteAt(b.digest.Sum(header), 0)
	return err
}

// encoder writes a body. The first error is told by the writer's Flush.
type encoder struct {
	w       *bufio.Writer
	scratch [binary.MaxVarintLen64]byte
}

func (e *encoder) content(c *Content) error {
	e.text(c.Upstream)
	e.text(c.Environment)
	e.number(int64(len(c.Services)))
	for _, service := range c.Services {
		e.text(service)
	}
	e.number(c.View.Position().Epoch)
	e.number(c.View.Position().Revision)
	hash := c.View.Hash()
	e.bytes(hash[:])
	e.bytes(c.Token)
	e.number(c.KeysVersion)
	e.number(int64(len(c.Keys)))
	for _, key := range c.Keys {
		data, err := proto.Marshal(key)
		if err != nil {
			return err
		}
		e.bytes(data)
	}
	e.number(int64(c.View.Len()))
	for entity := range c.View.All() {
		e.number(int64(entity.TreeKey().Kind))
		e.text(entity.TreeKey().Name)
		e.bytes(entity.Payload())
	}
	return nil
}

func (e *encoder) number(n int64) { _, _ = e.w.Write(binary.AppendVarint(e.scratch[:0], n)) }

func (e *encoder) text(s string) {
	e.number(int64(len(s)))
	_, _ = e.w.WriteString(s)
}

func (e *encoder) bytes(b []byte) {
	e.number(int64(len(b)))
	_, _ = e.w.Write(b)
}

// decode reads a file. The content is the one that was written, or there is an
// error.
func decode(data []byte) (*Content, error) {
	if len(data) < headerBytes || string(data[:len(magic)]) != magic {
		return nil, errors.New("it is no last good configuration")
	}
	header, compressed := data[len(magic):headerBytes], data[headerBytes:]
	if got := binary.BigEndian.Uint32(header); got != format {
		return nil, fmt.Errorf("its format is %d, and should be %d", got, format)
	}
	if want := binary.BigEndian.Uint64(header[4:]); want != uint64(len(compressed)) {
		return nil, fmt.Errorf("its body has %d bytes, and should have %d", len(compressed), want)
	}
	if digest := sha256.Sum256(compressed); !same(digest[:], header[12:]) {
		return nil, errors.New("its body is not the one that was written")
	}
	return decodeBody(compressed)
}

func decodeBody(compressed []byte) (*Content, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("its body: %w", err)
	}
	d := decoder{r: bufio.NewReaderSize(io.LimitReader(r, maxBodyBytes), 64<<10)}
	content := d.content()
	if d.err == nil {
		if _, err := d.r.ReadByte(); !errors.Is(err, io.EOF) { // which is also when gzip checks what it has read
			d.fail(errors.New("there is more after the end"))
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("its body: %w", d.err)
	}
	return content, nil
}

// decoder reads a body. After the first error it reads nothing.
type decoder struct {
	r   *bufio.Reader
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) content() *Content {
	c := &Content{Upstream: string(d.bytes()), Environment: string(d.bytes())}
	for range d.count() {
		c.Services = append(c.Services, string(d.bytes()))
	}
	at := view.Position{Epoch: d.number(), Revision: d.number()}
	hash := d.bytes()
	c.Token = d.bytes()
	c.KeysVersion = d.number()
	for range d.count() {
		key := new(servingv1.PublicKey)
		if err := proto.Unmarshal(d.bytes(), key); err != nil {
			d.fail(errors.New("a key is no valid message"))
		}
		c.Keys = append(c.Keys, key)
	}
	c.View = d.view(at, hash)
	return c
}

func (d *decoder) view(at view.Position, hash []byte) *view.View {
	count := d.count()
	changes := new(configv1.Changes)
	for range count {
		kind := d.number()
		changes.Puts = append(changes.Puts, &configv1.Entity{
			Kind: configv1.EntityKind(min(max(kind, 0), 1<<16)), Key: string(d.bytes()), Payload: d.bytes(),
		})
	}
	if d.err != nil {
		return nil
	}
	v, err := view.Empty().Apply(at, changes)
	switch {
	case err != nil:
		d.fail(err)
	case v.Len() != len(changes.Puts):
		d.fail(errors.New("entities are repeated"))
	default:
		if got := v.Hash(); !same(got[:], hash) {
			d.fail(fmt.Errorf("the hash of the configuration is %v, and should be %x", got, hash))
		}
	}
	return v
}

func (d *decoder) number() int64 {
	if d.err != nil {
		return 0
	}
	n, err := binary.ReadVarint(d.r)
	if err != nil {
		d.fail(unexpected(err))
		return 0
	}
	return n
}

// count returns the length of a list. It yields no more elements than there are.
func (d *decoder) count() func(yield func(int) bool) {
	n := d.number()
	if n < 0 {
		d.fail(errors.New("a list of negative length"))
	}
	return func(yield func(int) bool) {
		for i := range int(n) {
			if d.err != nil || !yield(i) {
				return
			}
		}
	}
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n < 0 || n > maxFieldBytes {
		d.fail(fmt.Errorf("a field of %d bytes", n))
	}
	if d.err != nil {
		return nil
	}
	if n <= maxTrust {
		b := make([]byte, n)
		if _, err := io.ReadFull(d.r, b); err != nil {
			d.fail(unexpected(err))
			return nil
		}
		return b
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, d.r, n); err != nil {
		d.fail(unexpected(err))
		return nil
	}
	return b.Bytes()
}

// unexpected is the error of a body that ends too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
