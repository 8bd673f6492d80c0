package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"quittance/internal/payment"
)

// Texts that a search looks into are kept a second time, those of many payments in one
// row: reading such rows and looking through them takes a hundredth of what it takes to
// visit each payment, its requests and its transfers. A pack holds nothing that can
// change, so it is never wrong, only never complete.

// The kinds of packs.
const (
	ofPayments  = "payments"
	ofTransfers = "transfers"
)

// packSize is how many entries a pack has. As many at most are in none for long.
const packSize = 500

// entry is a payment, or a transfer, of a pack.
type entry struct {
	name  string // the payment's id, the transfer's key
	more  string // what is due by the first request; the transfer's payment
	known int    // bytes of the texts that a search for income looks into
	long  int    // bytes of all texts
}

// pack is the texts of many, each with a zero behind it, which no text has in it.
type pack struct{ entries, texts []byte }

// add takes the next entry; known are those texts that a search for income looks into.
func (p *pack) add(name, more string, known, others []string) {
	start, middle := len(p.texts), 0
	for i, text := range slices.Concat(known, others) {
		if i == len(known) {
			middle = len(p.texts) - start
		}
		p.texts = append(append(p.texts, text...), 0)
	}
	if len(others) == 0 {
		middle = len(p.texts) - start
	}
	for _, text := range []string{name, more} {
		p.entries = append(binary.AppendUvarint(p.entries, uint64(len(text))), text...)
	}
	p.entries = binary.AppendUvarint(p.entries, uint64(middle))
	p.entries = binary.AppendUvarint(p.entries, uint64(len(p.texts)-start))
}

var errBrokenPack = errors.New("a pack of texts to search in is broken")

// each goes through the entries.
func (p *pack) each(f func(entry)) error {
	number := func(at int) (int, int) {
		n, size := binary.Uvarint(p.entries[at:])
		if size <= 0 || n > uint64(len(p.entries)+len(p.texts)) {
			return 0, -1
		}
		return int(n), at + size
	}
	whole := string(p.entries) // its parts are names, without a copy of each
	for at := 0; at < len(p.entries); {
		var parts [2]string
		for i := range parts {
			n, from := number(at)
			if from < 0 || n > len(whole)-from {
				return errBrokenPack
			}
			parts[i], at = whole[from:from+n], from+n
		}
		known, next := number(at)
		if next < 0 {
			return errBrokenPack
		}
		long, next := number(next)
		if next < 0 || known > long {
			return errBrokenPack
		}
		at = next
		f(entry{parts[0], parts[1], known, long})
	}
	return nil
}

// search goes through the entries and tells of each whether a text of it has what is
// wanted in it, which is neither empty nor has a zero in it.
func (p *pack) search(wanted []byte, income bool, f func(e entry, hit bool)) error {
	end, total := 0, 0
	next := p.index(wanted, 0)
	err := p.each(func(e entry) {
		start := end
		if end, total = end+e.long, total+e.long; end > len(p.texts) {
			return
		}
		within := e.long
		if income {
			within = e.known
		}
		f(e, next+len(wanted) <= start+within)
		if next < end {
			next = p.index(wanted, end)
		}
	})
	if err == nil && total != len(p.texts) {
		return errBrokenPack
	}
	return err
}

// index is where the texts from a place on have what is wanted, behind them if they have not.
func (p *pack) index(wanted []byte, from int) int {
	if i := bytes.Index(p.texts[from:], wanted); i >= 0 {
		return from + i
	}
	return len(p.texts)
}

const (
	selectPacks = `SELECT entries, texts FROM search_packs WHERE merchant = $1 AND dialect = $2 AND kind = $3`
	// selectPacked leaves the texts where they are.
	selectPacked = `SELECT entries, entries FROM search_packs WHERE merchant = $1 AND dialect = $2 AND kind = $3`
	insertPack   = `INSERT INTO search_packs (merchant, dialect, kind, id, entries, texts) VALUES ($1, $2, $3, $4, $5, $6)`

	// nextDialect and nextMerchant go from one to the next by indexes.
	nextDialect  = `SELECT MIN(p.dialect) FROM payments p WHERE p.merchant = $1 AND p.dialect > $2 AND p.alias <> ''`
	nextMerchant = `SELECT id FROM merchants WHERE id > $1 ORDER BY id LIMIT 1`
)

// shelf is what belongs to a merchant in a dialect: searches look into no more than that.
type shelf struct {
	merchant payment.MerchantID
	dialect  string
}

// eachPack reads the packs of a kind.
func (s *Store) eachPack(ctx context.Context, query string, of shelf, kind string, f func(*pack) error) error {
	r, err := s.read.query(ctx, query, string(of.merchant), plain(of.dialect), kind)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for r.Next() {
		var p pack
		if err := r.Scan(&p.entries, &p.texts); err != nil {
			return err
		}
		if err := f(&p); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return neutral(err)
	}
	return nil
}

// Pack puts the texts of payments and transfers that are in no pack yet into packs, and
// returns how many they were. It calls rest between two steps, with the time that the last
// one took, and ends early if that returns false. Two that do it at once do it twice,
// which does no harm.
func (s *Store) Pack(ctx context.Context, rest func(took time.Duration) bool) (packed int, err error) {
	w := packing{Store: s, rest: rest}
	for of := (shelf{}); ; {
		there, err := found(s.read.row(ctx, nextMerchant, []any{string(of.merchant)}, &of.merchant))
		if err != nil || !there {
			return w.packed, err
		}
		for of.dialect = ""; ; {
			if of.dialect, err = s.dialectAfter(ctx, of); err != nil {
				return w.packed, fmt.Errorf("find what to pack: %w", err)
			}
			if of.dialect == "" {
				break
			}
			if err := errors.Join(w.all(ctx, of, ofPayments), w.all(ctx, of, ofTransfers)); err != nil {
				return w.packed, fmt.Errorf("pack texts to search in: %w", err)
			}
			if w.over {
				return w.packed, nil
			}
		}
	}
}

// dialectAfter is the next dialect in which a merchant has payments with an alias, "" after
// the last one.
func (s *Store) dialectAfter(ctx context.Context, of shelf) (next string, err error) {
	for _, query := range []string{nextDialect, old(nextDialect)} {
		var name *string
		if err := s.read.row(ctx, query, []any{string(of.merchant), of.dialect}, &name); err != nil {
			return "", err
		}
		if name != nil && (next == "" || *name < next) {
			next = *name
		}
	}
	return next, nil
}

// packing is one run of Pack.
type packing struct {
	*Store
	rest   func(took time.Duration) bool
	packed int
	over   bool
}

// all packs what there is of a kind, as far as it makes full packs.
func (w *packing) all(ctx context.Context, of shelf, kind string) error {
	began := time.Now()
	missing, err := w.unpacked(ctx, of, kind)
	if err != nil {
		return err
	}
	var full pack
	inFull := 0
	for some := range slices.Chunk(missing, loadedAtOnce) {
		if w.over = w.over || !w.rest(time.Since(began)); w.over {
			return nil
		}
		if inFull == 0 && len(missing) < w.packSize {
			return nil
		}
		began = time.Now()
		n, err := w.fill(ctx, kind, some, true, &full)
		if err != nil {
			return err
		}
		missing = missing[len(some):]
		if inFull += n; inFull < w.packSize {
			continue
		}
		id := string(payment.NewULID(time.Now()))
		if err := w.change(ctx, insertPack, string(of.merchant), of.dialect, kind, id, full.entries, full.texts); err != nil {
			return err
		}
		w.packed += inFull
		full, inFull = pack{}, 0
	}
	return nil
}

// unpacked are those of a kind that are in no pack.
func (w *packing) unpacked(ctx context.Context, of shelf, kind string) ([]string, error) {
	packed := map[string]struct{}{}
	err := w.eachPack(ctx, selectPacked, of, kind, func(p *pack) error {
		return p.each(func(e entry) { packed[e.name] = struct{}{} })
	})
	if err != nil {
		return nil, err
	}
	all, err := w.shelved(ctx, of, kind)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, one := range all {
		if _, there := packed[one.name]; !there {
			missing = append(missing, one.name)
		}
	}
	return missing, nil
}
