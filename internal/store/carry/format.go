package carry

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"slices"
	"time"

	"quittance/internal/store"

	"github.com/klauspost/compress/zstd"
)

// A file is a line of text and a zstd stream of frames: a byte that says what it is, the
// length as a uvarint, and so many bytes. Frames are a header, for each table its name,
// its rows in the order of its key and its sum, and in the end the sum of all bytes that
// came before: without that the file is not whole.
const (
	formatLine = "quittance backup 1\n"

	frameHeader  = 'H' // Header as JSON
	frameTable   = 'T' // the table's name
	frameRows    = 'R' // rows, one after the other
	frameSum     = 'S' // Sum as JSON
	frameTrailer = 'Z' // hex SHA-256 of all frames before

	rowsBytes = 256 << 10 // a frame of rows is closed when it has so many
	maxFrame  = 64 << 20  // and no frame is longer: one row has to fit
	maxWindow = 8 << 20   // what a reader needs to have of the stream
)

// ErrDamaged is of files that are no backup, or not a whole one as it was written.
var ErrDamaged = errors.New("this is not a whole backup")

// Header says what a backup is of.
type Header struct {
	MadeAt time.Time    `json:"madeAt"`
	Engine string       `json:"engine"` // "sqlite" or "postgres"
	Steps  []store.Step `json:"steps"`  // the migrations that its schema has taken
	Tables []table      `json:"tables"` // in the order in which they come
}

// check refuses headers that no backup of ours has.
func (h Header) check() error {
	names := map[string]bool{}
	for _, t := range h.Tables {
		if t.Name == "" || names[t.Name] || len(t.Key) == 0 {
			return fmt.Errorf("table %.80q", t.Name)
		}
		names[t.Name] = true
		for i, c := range t.Columns {
			known := c.Kind == text || c.Kind == integer || c.Kind == boolean || c.Kind == bytea
			if !known || i > 0 && t.Columns[i-1].Name >= c.Name {
				return fmt.Errorf("table %.80q, column %.80q", t.Name, c.Name)
			}
		}
		if slices.ContainsFunc(t.Key, func(at int) bool { return at < 0 || at >= len(t.Columns) }) {
			return fmt.Errorf("table %.80q: its key", t.Name)
		}
	}
	return nil
}

// encoder writes a file.
type encoder struct {
	out  *zstd.Encoder
	hash hash.Hash
	rows []byte
}

func newEncoder(w io.Writer, h Header) (*encoder, error) {
	if _, err := io.WriteString(w, formatLine); err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow/2))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	e := &encoder{out: z, hash: sha256.New()}
	return e, e.json(frameHeader, h)
}

func (e *encoder) frame(what byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("a row of %d bytes is too long for a backup", len(payload))
	}
	head := binary.AppendUvarint([]byte{what}, uint64(len(payload)))
	for _, b := range [][]byte{head, payload} {
		_, _ = e.hash.Write(b)
		if _, err := e.out.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) json(what byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return e.frame(what, b)
}

func (e *encoder) table(name string) error { return e.frame(frameTable, []byte(name)) }

// row adds a row's bytes to the table that was begun.
func (e *encoder) row(b []byte) error {
	if len(e.rows) > 0 && len(e.rows)+len(b) > rowsBytes {
		if err := e.flush(); err != nil {
			return err
		}
	}
	e.rows = append(e.rows, b...)
	return nil
}

func (e *encoder) flush() error {
	if len(e.rows) == 0 {
		return nil
	}
	err := e.frame(frameRows, e.rows)
	e.rows = e.rows[:0]
	return err
}

func (e *encoder) sum(s Sum) error {
	if err := e.flush(); err != nil {
		return err
	}
	return e.json(frameSum, s)
}

func (e *encoder) close() error {
	if err := e.frame(frameTrailer, []byte(hex.EncodeToString(e.hash.Sum(nil)))); err != nil {
		return err
	}
	return e.out.Close()
}

// decoder reads a file, which anybody may have written. Its errors are ErrDamaged, and
// those of the reader below.
type decoder struct {
	Header
	in   *bufio.Reader
	z    *zstd.Decoder
	hash hash.Hash
	buf  bytes.Buffer
	sums []Sum
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

func newDecoder(r io.Reader) (*decoder, error) {
	line := make([]byte, len(formatLine))
	if _, err := io.ReadFull(r, line); err != nil || string(line) != formatLine {
		return nil, damaged("it does not begin as one of this version")
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, damaged("%v", err)
	}
	d := &decoder{in: bufio.NewReaderSize(z, rowsBytes), z: z, hash: sha256.New()}
	if err := d.header(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *decoder) header() error {
	b, err := d.expect(frameHeader)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.Header); err != nil {
		return damaged("its header cannot be read: %v", err)
	}
	if err := d.check(); err != nil {
		return damaged("its header is wrong about %v", err)
	}
	return nil
}

func (d *decoder) close() { d.z.Close() }

// frame reads the next frame. Its bytes are good until the next call.
func (d *decoder) frame() (what byte, payload []byte, err error) {
	if what, err = d.in.ReadByte(); err != nil {
		return 0, nil, damaged("it is cut off or altered: %v", err)
	}
	n, err := binary.ReadUvarint(d.in)
	if err != nil || n > maxFrame {
		return 0, nil, damaged("it is cut off or altered in a length: %v", err)
	}
	d.buf.Reset()
	if _, err := io.CopyN(&d.buf, d.in, int64(n)); err != nil {
		return 0, nil, damaged("it is cut off or altered: %v", err)
	}
	if what != frameTrailer {
		_, _ = d.hash.Write(binary.AppendUvarint([]byte{what}, n))
		_, _ = d.hash.Write(d.buf.Bytes())
	}
	return what, d.buf.Bytes(), nil
}

func (d *decoder) expect(want byte) ([]byte, error) {
	what, b, err := d.frame()
	if err == nil && what != want {
		err = damaged("frame %q stands where %q belongs", what, want)
	}
	return b, err
}

// rows reads the rows of the table that comes next, to its sum, which is compared. A row
// is good until the next.
func (d *decoder) rows(t table) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		name, err := d.expect(frameTable)
		if err == nil && string(name) != t.Name {
			err = damaged("table %.80q stands where %q belongs", name, t.Name)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		s := newSummer(t)
		for {
			what, b, err := d.frame()
			switch {
			case err != nil:
			case what == frameSum:
				if err = d.summed(s.sum(), b); err == nil {
					return
				}
			case what != frameRows || len(b) == 0:
				err = damaged("frame %q stands among the rows of table %s", what, t.Name)
			}
			for err == nil && len(b) > 0 {
				var r row
				if r, b, err = t.readRow(b); err != nil {
					err = damaged("table %s: %v", t.Name, err)
				} else if s.add(r); !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (d *decoder) summed(got Sum, b []byte) error {
	var want Sum
	if err := json.Unmarshal(b, &want); err != nil || want != got {
		return damaged("table %s does not add up", got.Table)
	}
	d.sums = append(d.sums, got)
	return nil
}

// end reads the trailer, behind which there must be nothing.
func (d *decoder) end() error {
	b, err := d.expect(frameTrailer)
	if err != nil {
		return err
	}
	if string(b) != hex.EncodeToString(d.hash.Sum(nil)) {
		return damaged("it does not add up")
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged("something follows its end (%v)", err)
	}
	return nil
}
