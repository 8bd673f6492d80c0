package screening

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"quittance/internal/asset"
)

// pollEvery is how often a list's file is looked at.
const pollEvery = 15 * time.Second

// List is a file of addresses that nobody may deal with. It is read again when
// the file changes; a file that cannot be read or understood leaves the old list
// in force.
type List struct {
	path    string
	log     *slog.Logger
	every   time.Duration
	current atomic.Pointer[entries]
}

// entries is one reading of the file.
type entries struct {
	addresses []asset.Address // sorted, each once
	file      fs.FileInfo
}

// OpenList reads a list.
//
// Errors: the file cannot be read or understood, or names no EVM address.
func OpenList(path string, log *slog.Logger) (*List, error) {
	l := &List{path: path, log: log, every: pollEvery}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	e, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("sanctions list: %w", err)
	}
	l.current.Store(e)
	return l, nil
}

// Contains reports whether the list names an account.
func (l *List) Contains(a asset.Address) bool {
	_, found := slices.BinarySearchFunc(l.current.Load().addresses, a, compare)
	return found
}

// Count is how many addresses the list names.
func (l *List) Count() int { return len(l.current.Load().addresses) }

// Modified is when the file that is in force was last changed.
func (l *List) Modified() time.Time { return l.current.Load().file.ModTime().UTC() }

// Run reads the file again whenever it changes, until ctx ends.
func (l *List) Run(ctx context.Context) error {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	broken := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := l.refresh()
		switch {
		case err != nil && err.Error() != broken:
			l.log.ErrorContext(ctx, "the sanctions list cannot be read; the old one stays in force", "err", err, "addresses", l.Count())
			broken = err.Error()
		case err == nil:
			broken = ""
		}
		if changed {
			l.log.InfoContext(ctx, "sanctions list read", "addresses", l.Count())
		}
	}
}

// refresh reads the file if it is not the one in force.
func (l *List) refresh() (changed bool, err error) {
	now, err := os.Stat(l.path)
	if err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	if same(now, l.current.Load().file) {
		return false, nil
	}
	e, err := read(l.path)
	if err != nil {
		return false, err
	}
	l.current.Store(e)
	return true, nil
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// errMoving is a file that is being written: what was read may be a part of it.
var errMoving = errors.New("the file changed while it was read")

func read(path string) (*entries, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if before.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	all, err := Parse(f)
	if err != nil {
		return nil, err
	}
	after, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !same(before, after) {
		return nil, errMoving
	}
	return &entries{addresses: all, file: before}, nil
}

func compare(a, b asset.Address) int { return slices.Compare(a[:], b[:]) }

// sorted puts addresses in order and leaves each once.
func sorted(all []asset.Address) []asset.Address {
	slices.SortFunc(all, compare)
	return slices.Clip(slices.Compact(all))
}
