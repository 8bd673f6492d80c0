package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// Income implements checkout.Store. What came and what went back are found each by an index
// in the order of its time, and are loaded for a page only.
func (s *Store) Income(ctx context.Context, q checkout.IncomeQuery) (found []checkout.Income, total int, err error) {
	var of payment.ID
	if q.Alias != "" {
		if of, err = s.aliased(ctx, q.Dialect, q.Alias); err != nil || of == "" {
			return nil, 0, err
		}
	}
	if len(q.Search) > longestSearched {
		return nil, 0, nil
	}
	places, total, err := s.incomePlaces(ctx, q, of)
	if err != nil {
		return nil, 0, fmt.Errorf("find income: %w", err)
	}
	payments := map[payment.ID]*payment.Payment{}
	for _, at := range places {
		i, err := s.loadIncome(ctx, at, payments)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, i)
	}
	return found, total, nil
}

// incomePlace is where one row of income is kept.
type incomePlace struct {
	payment payment.ID
	came    bool
	key     string // of a transfer that came, or id of the event that tells of a refund
	at      time.Time
}

// incomePlaces finds the rows of a page, and how many there are in all.
func (s *Store) incomePlaces(ctx context.Context, q checkout.IncomeQuery, of payment.ID) (page []incomePlace, total int, err error) {
	var fits []string
	if q.Search != "" {
		if fits, err = s.searchedIncome(ctx, q); err != nil || len(fits) == 0 {
			return nil, 0, err
		}
	}
	if fits != nil && q.Limit > 0 {
		// To know the page or the number takes looking at all of them: both at once.
		page, total, err = s.incomePage(ctx, q, of, fits, `COUNT(*) OVER ()`)
		if err != nil || len(page) > 0 || q.Offset <= 0 {
			return page, total, err
		}
	}
	var x statement
	search, err := s.incomeSearch(&x, fits)
	if err != nil {
		return nil, 0, err
	}
	text := search + `SELECT ` + summed(`SELECT COUNT(*) `+incomeOf(&x, q, of, true)) + ` + ` + summed(`SELECT COUNT(*) `+incomeOf(&x, q, of, false))
	if err := s.read.row(ctx, text, x.args, &total); err != nil {
		return nil, 0, err
	}
	if q.Search == "" && q.Limit > 0 && q.Offset < total {
		page, _, err = s.incomePage(ctx, q, of, nil, `0`)
	}
	return page, total, err
}

// incomePage finds a page's rows, and of each what count says. Unless something is searched
// for, it looks at no more of either kind than the page may need.
func (s *Store) incomePage(ctx context.Context, q checkout.IncomeQuery, of payment.ID, fits []string, count string) (page []incomePlace, counted int, err error) {
	var x statement
	var sides []string
	offset := max(q.Offset, 0)
	search, err := s.incomeSearch(&x, fits)
	if err != nil {
		return nil, 0, err
	}
	for _, came := range []bool{true, false} {
		name := `i.key`
		if !came {
			name = `i.id`
		}
		side := fmt.Sprintf(`SELECT %t AS came, i.payment, %s AS name, i.at `, came, name) + incomeOf(&x, q, of, came)
		if q.Search == "" {
			side += ` ORDER BY i.at DESC, ` + name + ` DESC LIMIT ` + x.put(offset+q.Limit)
		}
		sides = append(sides, united(side))
	}
	text := search + `SELECT f.came, f.payment, f.name, f.at, ` + count + ` FROM (` + strings.Join(sides, ` UNION ALL `) +
		`) f ORDER BY f.at DESC, f.came, f.name DESC LIMIT ` + x.put(q.Limit) + ` OFFSET ` + x.put(offset)
	r, err := s.read.query(ctx, text, x.args...)
	if err != nil {
		return nil, 0, err
	}
	page, err = collect(r, func() (p incomePlace, err error) {
		var at int64
		err = r.Scan(&p.came, &p.payment, &p.key, &at, &counted)
		p.at = fromMicros(at)
		return p, err
	})
	return page, counted, err
}

// incomeSearch is a table "h" of the payments that a search found; nothing without one. It
// is made once for both kinds of income.
func (s *Store) incomeSearch(x *statement, fits []string) (string, error) {
	if fits == nil {
		return ``, nil
	}
	all, err := json.Marshal(fits)
	if err != nil {
		return ``, fmt.Errorf("write down what was found: %w", err)
	}
	return `WITH h AS MATERIALIZED (SELECT q.value AS id FROM ` + s.engine.text(`{{TEXTS}}`) + `(` + x.put(string(all)) + `) q) `, nil
}

// incomeOf is the source and the condition of what came, or of what went back; its
// parameters go to x.
func incomeOf(x *statement, q checkout.IncomeQuery, of payment.ID, came bool) string {
	text := `FROM transfers i WHERE i.stage <> 'dropped'`
	if !came {
		text = `FROM events i WHERE i.kind = 'refunded'`
	}
	if of == "" {
		text += ` AND i.merchant = ` + x.put(string(q.Merchant)) + ` AND i.dialect = ` + x.put(q.Dialect)
	} else { // by the payment's index, and no other
		text += ` AND i.payment = ` + x.put(string(of)) + ` AND i.merchant || '' = ` + x.put(string(q.Merchant))
	}
	if !q.From.IsZero() {
		text += ` AND i.at >= ` + x.put(micros(q.From))
	}
	if !q.To.IsZero() {
		text += ` AND i.at < ` + x.put(micros(q.To))
	}
	if q.Search != "" {
		text += ` AND i.payment IN (SELECT h.id FROM h)`
	}
	return text
}

// loadIncome reads one row; payments are those that were read for rows before it.
func (s *Store) loadIncome(ctx context.Context, at incomePlace, payments map[payment.ID]*payment.Payment) (checkout.Income, error) {
	i := checkout.Income{At: at.at}
	if payments[at.payment] == nil {
		p, err := s.unquoted(ctx, at.payment)
		if err != nil {
			return i, err
		}
		payments[at.payment] = p.Payment
	}
	i.Payment = payments[at.payment]
	if !at.came {
		e, err := s.event(ctx, at.key)
		i.Refund = &e
		return i, err
	}
	for n := range i.Payment.Transfers {
		if i.Payment.Transfers[n].Key == at.key {
			i.Transfer = &i.Payment.Transfers[n]
			return i, nil
		}
	}
	return i, errors.New("a transfer is gone from its payment")
}
