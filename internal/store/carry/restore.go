package carry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// Restore puts a backup into an empty database, of either engine.
type Restore struct {
	File, To string
	Box      *seal.Box // must open all sealed secrets; nil for no matter
	// Exact says that nothing was written after the backup: everything is as it was.
	// Otherwise what servers gave out since is made sure not to be given out again.
	Exact bool
	// Skip is how many deposit addresses of each key are taken for given out since.
	Skip int64
	Told func(table string, rows int64)
}

// Restored says what was restored.
type Restored struct {
	Report
	Backup  Summary   `json:"backup"`
	Skipped []Skipped `json:"skipped,omitempty"`
}

// Run reads the file whole, fills the database in one transaction at the schema that the
// backup has, reads that back, and then takes the migrations that came since. Its errors
// include ErrDamaged, ErrNotEmpty, ErrForeign, ErrDiffers, store.ErrNewerSchema and
// store.ErrChangedSchema.
func (r Restore) Run(ctx context.Context) (out Restored, err error) {
	if out.Backup, err = Verify(ctx, r.File); err != nil {
		return out, err
	}
	d, done, err := openFile(r.File)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, done()) }()
	all, err := store.Steps()
	if err != nil {
		return out, err
	}
	n, err := store.Compare(d.Steps, all)
	if err != nil {
		return out, fmt.Errorf("%s: %w", r.File, err)
	}
	if err := r.fill(ctx, d, n, &out); err != nil {
		return out, err
	}
	if n < len(all) {
		if err := migrateTo(ctx, r.To, len(all)); err != nil {
			return out, fmt.Errorf("everything is restored; migrate it: %w", err)
		}
	}
	return out, nil
}

func (r Restore) fill(ctx context.Context, d *decoder, n int, out *Restored) (err error) {
	to, err := prepare(ctx, r.To, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if to.mark.gone {
		return store.ErrUnfinished
	}
	if err := sameTables(d.Tables, to.ts); err != nil {
		return err
	}
	if err := to.clear(ctx, to.ts); err != nil {
		return err
	}
	opens := newOpener(r.Box)
	read, err := pour(ctx, d.Tables, func(t table) iter.Seq2[row, error] { return d.rows(t) }, to, opens, r.Told)
	if err != nil {
		return err
	}
	if err := d.end(); err != nil { // it was whole a moment ago
		return err
	}
	if err := opens.verdict(); err != nil {
		return fmt.Errorf("%w; nothing was restored", err)
	}
	back, err := sums(ctx, to, to.ts, nil)
	if err != nil {
		return fmt.Errorf("read back what was restored: %w", err)
	}
	if out.Report, err = compared(read, back); err != nil {
		return fmt.Errorf("%w; nothing was restored", err)
	}
	if !r.Exact {
		if out.Skipped, err = settle(ctx, to, to.ts, r.Skip); err != nil {
			return err
		}
	}
	if err := to.tuned(ctx); err != nil {
		return fmt.Errorf("have what was restored analysed: %w", err)
	}
	return to.commit(ctx)
}
