package rpc

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"
)

func newCompressor() connect.Compressor { return gzip.NewWriter(io.Discard) }

// decompression takes requests in gzip of at most so many bytes, and gives the
// errors that come of it to refuse.
func decompression(most int64, refuse func(error) error) connect.HandlerOption {
	decompress := func() connect.Decompressor { return &decompressor{most: most, refuse: refuse} }
	return connect.WithCompression("gzip", decompress, newCompressor)
}

// decompressor reads gzip up to the largest request. Connect keeps the code of
// errors that come out of Read, and gives its own to those of Reset and Close;
// so everything that can fail happens in Read.
type decompressor struct {
	most   int64
	refuse func(error) error
	source io.Reader
	begun  bool
	reader gzip.Reader
	left   int64
}

func (d *decompressor) Reset(source io.Reader) error {
	d.source, d.begun, d.left = source, false, d.most
	return nil
}

func (d *decompressor) Read(p []byte) (int, error) {
	if !d.begun {
		if err := d.reader.Reset(d.source); err != nil {
			return 0, d.refuse(Invalidf("body", "not valid gzip"))
		}
		d.begun = true
	}
	n, err := d.reader.Read(p)
	d.left -= int64(n)
	switch {
	case d.left < 0:
		return 0, d.refuse(Invalidf("body", "larger than %d MiB after decompression", d.most>>20))
	case err != nil && err != io.EOF: //nolint:errorlint // a reader returns it bare
		return n, d.refuse(Invalidf("body", "not valid gzip"))
	default:
		return n, err
	}
}

func (d *decompressor) Close() error {
	d.source = nil
	return nil
}
