package carry

import (
	"fmt"
	"slices"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// opener counts sealed secrets that the configured keys do not open. It has no box where
// nobody asked.
type opener struct {
	box    *seal.Box
	sealed []store.SealedColumn
	failed int
	first  string
}

func newOpener(box *seal.Box) *opener { return &opener{box: box, sealed: store.Sealed()} }

// look tries the secrets of a row.
func (o *opener) look(t table, r row) {
	if o.box == nil {
		return
	}
	for _, s := range o.sealed {
		if s.Table != t.Name {
			continue
		}
		at := func(name string) any {
			i := slices.IndexFunc(t.Columns, func(c column) bool { return c.Name == name })
			if i < 0 || r[i] == nil {
				return ""
			}
			return r[i]
		}
		value, ok := at(s.Column).([]byte)
		place := s.Place(func(name string) string { return fmt.Sprint(at(name)) })
		if !ok || len(value) == 0 || place == "" {
			continue
		}
		if _, err := o.box.Open(value, place); err != nil {
			if o.failed++; o.first == "" {
				o.first = fmt.Sprintf("%s, column %s: %v", t.named(r), s.Column, err)
			}
		}
	}
}

// verdict is nil if all secrets opened.
func (o *opener) verdict() error {
	if o.failed == 0 {
		return nil
	}
	return fmt.Errorf("the configured keys do not open %d sealed secrets, first %s", o.failed, o.first)
}
