package carry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// Backup writes everything of a database into a file, as it is at one moment, beside
// running servers or without one.
type Backup struct {
	From string
	File string    // must not be there yet
	Box  *seal.Box // tried on all sealed secrets; nil for no matter
	Told func(table string, rows int64)
}

// Summary says what a backup holds. It names no secret.
type Summary struct {
	File     string    `json:"file"`
	Bytes    int64     `json:"bytes"`
	MadeAt   time.Time `json:"madeAt"`
	Engine   string    `json:"engine"`
	Schema   string    `json:"schema"` // the last migration
	Rows     int64     `json:"rows"`
	Tables   []Sum     `json:"tables"`
	Unopened string    `json:"unopened,omitempty"` // which sealed secrets the keys do not open
}

// Run writes the file under another name in the same directory, reads it back whole, and
// then gives it its name: a file of that name is complete.
func (b Backup) Run(ctx context.Context) (s Summary, err error) {
	if _, err := os.Lstat(b.File); !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%s is there already, and is not overwritten (%w)", b.File, errors.Join(fs.ErrExist, err))
	}
	f, err := os.CreateTemp(filepath.Dir(b.File), "."+filepath.Base(b.File)+".unfinished-*") // with mode 0600
	if err != nil {
		return s, fmt.Errorf("make a file for the backup: %w", err)
	}
	defer func() {
		if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	opens := newOpener(b.Box)
	err = b.write(ctx, f, opens)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return s, err
	}
	if s, err = Verify(ctx, f.Name()); err != nil {
		return s, fmt.Errorf("read the backup back: %w", err)
	}
	if err := opens.verdict(); err != nil {
		s.Unopened = err.Error()
	}
	s.File = b.File
	return s, name(f.Name(), b.File)
}

// name gives a file another name, which nobody else has taken meanwhile.
func name(from, to string) error {
	err := os.Link(from, to)
	if err != nil && !errors.Is(err, fs.ErrExist) { // not every file system has links
		if _, there := os.Lstat(to); errors.Is(there, fs.ErrNotExist) {
			err = os.Rename(from, to)
		}
	}
	if err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (b Backup) write(ctx context.Context, f *os.File, opens *opener) (err error) {
	v, err := open(ctx, b.From, look)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	n, err := current(ctx, v)
	if err != nil {
		return err
	}
	if m, err := moved(ctx, v, n >= movedSince); err != nil || m.gone {
		return errors.Join(err, notHere(m))
	}
	if err := v.sound(ctx); err != nil {
		return err
	}
	h := Header{MadeAt: time.Now().UTC().Truncate(time.Second), Engine: engineOf(v)}
	if h.Steps, err = v.steps(ctx); err != nil {
		return fmt.Errorf("read which migrations it has taken: %w", err)
	}
	if h.Tables, err = v.tables(ctx); err != nil {
		return err
	}
	e, err := newEncoder(f, h)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	for _, t := range h.Tables {
		if err := b.table(ctx, v, e, t, opens); err != nil {
			return fmt.Errorf("back up table %s: %w", t.Name, err)
		}
	}
	if err := e.close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

func (b Backup) table(ctx context.Context, v view, e *encoder, t table, opens *opener) error {
	if err := e.table(t.Name); err != nil {
		return err
	}
	s, p := newSummer(t), progress(b.Told)
	err := v.each(ctx, t, func(r row) error {
		if err := e.row(s.add(r)); err != nil {
			return err
		}
		opens.look(t, r)
		p.tell(t.Name, s.rows, false)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	p.tell(t.Name, s.rows, true)
	return e.sum(s.sum())
}

func engineOf(v view) string {
	if v.postgres() {
		return "postgres"
	}
	return "sqlite"
}

// notHere says why a database is not to be used, nil if it is.
func notHere(m movedTo) error {
	switch {
	case !m.gone:
		return nil
	case m.destination == "":
		return store.ErrUnfinished
	}
	return fmt.Errorf("%w: everything moved to %s", store.ErrMoved, m.destination)
}

// Verify reads a file whole. Its errors include ErrDamaged.
func Verify(ctx context.Context, file string) (s Summary, err error) {
	d, done, err := openFile(file)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, done()) }()
	for _, t := range d.Tables {
		for _, err := range d.rows(t) {
			if err = firstOf(err, ctx.Err()); err != nil {
				return s, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if err := d.end(); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return d.summary(file)
}

func openFile(file string) (*decoder, func() error, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("open the backup: %w", err)
	}
	d, err := newDecoder(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", file, err), f.Close())
	}
	return d, func() error {
		d.close()
		return f.Close()
	}, nil
}

func (d *decoder) summary(file string) (Summary, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Summary{}, fmt.Errorf("look at the backup: %w", err)
	}
	s := Summary{File: file, Bytes: info.Size(), MadeAt: d.MadeAt, Engine: d.Engine, Tables: d.sums}
	if len(d.Steps) > 0 {
		s.Schema = d.Steps[len(d.Steps)-1].Name
	}
	for _, t := range d.sums {
		s.Rows += t.Rows
	}
	return s, nil
}
