package store

import (
	"context"
	"fmt"
	"strconv"
	"unicode/utf8"

	"quittance/internal/payment"
)

// loadedAtOnce is how many entries of a pack one statement reads.
const loadedAtOnce = 25

const (
	// namesOf makes one text of many names, each with its length in front: that is many times
	// as fast as a row for each.
	namesOf = `SELECT COALESCE(STRING_AGG(LENGTH(f.name) || ':' || f.name || f.at || ';', ''), '') FROM (%s) f`

	// namesOfTransfers asks for each part in the words of an index that has it.
	namesOfTransfers = `SELECT t.key AS name, 0 AS at FROM transfers t WHERE t.merchant = $1 AND t.dialect = $2 AND t.stage `

	// Addresses and hashes are stored in lower case mostly; of a merchant's reference, SQLite
	// only knows the cases of Latin letters.
	loadPayments = `SELECT p.id, LOWER(p.alias), LOWER(p.reference) FROM payments p WHERE p.id IN (%s)`
	loadRequests = `SELECT r.payment, r.idx, r.due, LOWER(r.payee) FROM requests r WHERE r.payment IN (%s)`

	// loadTransfers tells besides whether a transfer will stay as it is, see updateTransfer and
	// fillSource.
	loadTransfers = `SELECT t.key, t.payment, LOWER(t.tx), LOWER(t.payer), t.stage = 'final' AND (t.route = '' OR t.source_tx <> '')
 FROM transfers t WHERE t.key IN (%s)`
)

// listed is what a list goes by.
type listed struct {
	name string
	at   int64
}

// shelved are all payments that have an alias, or all transfers, of a merchant in a dialect.
func (s *Store) shelved(ctx context.Context, of shelf, kind string) ([]listed, error) {
	var x statement
	if kind == ofPayments {
		x.text = ` WHERE p.merchant = ` + x.put(string(of.merchant)) + ` AND p.dialect = ` + x.put(of.dialect) + ` AND p.alias <> ''`
		return s.namesOfPayments(ctx, x, `p.created_at`)
	}
	all := both(namesOfTransfers+`<> 'dropped'`) + ` UNION ALL ` + both(namesOfTransfers+`= 'dropped'`)
	return s.names(ctx, all, string(of.merchant), plain(of.dialect))
}

// namesOfPayments are those that fulfil a condition on payments p, and when something of
// them was.
func (s *Store) namesOfPayments(ctx context.Context, x statement, at string) ([]listed, error) {
	return s.names(ctx, both(`SELECT p.id AS name, `+at+` AS at FROM payments p`+x.text), x.args...)
}

func (s *Store) names(ctx context.Context, query string, args ...any) ([]listed, error) {
	var text string
	if err := s.read.row(ctx, fmt.Sprintf(namesOf, query), args, &text); err != nil {
		return nil, err
	}
	return readNames(text)
}

// readNames is what namesOf wrote. It counts characters, as databases do.
func readNames(text string) (all []listed, err error) {
	bad := func() ([]listed, error) { return nil, fmt.Errorf("a list of names is broken after %d", len(all)) }
	number := func(from int, end byte) (n int64, next int) {
		at := from
		for at < len(text) && text[at] != end {
			at++
		}
		if n, err = strconv.ParseInt(text[from:at], 10, 64); err != nil {
			return 0, len(text) + 1
		}
		return n, at + 1
	}
	for at := 0; at < len(text); {
		long, from := number(at, ':')
		end := from
		for ; long > 0 && end < len(text); long-- {
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		if end >= len(text) {
			return bad()
		}
		one := listed{name: text[from:end]}
		if one.at, at = number(end, ';'); at > len(text) {
			return bad()
		}
		all = append(all, one)
	}
	return all, nil
}

// fill adds payments or transfers to a pack, wherever they are, or only those that never
// change, and returns how many it added. They are at most loadedAtOnce.
func (s *Store) fill(ctx context.Context, kind string, names []string, forGood bool, to *pack) (added int, err error) {
	args := make([]any, loadedAtOnce)
	for i := range args {
		args[i] = names[min(i, len(names)-1)] // the last one fills up, so that there is one text
	}
	if kind == ofPayments {
		return s.fillPayments(ctx, args, to)
	}
	r, err := s.read.query(ctx, both(fmt.Sprintf(loadTransfers, placeholders(1, loadedAtOnce))), args...)
	if err != nil {
		return 0, err
	}
	_, err = collect(r, func() (none struct{}, err error) {
		var key, of, tx, payer string
		var stays bool
		if err = r.Scan(&key, &of, &tx, &payer, &stays); err == nil && (stays || !forGood) {
			to.add(key, of, nil, []string{tx, payer})
			added++
		}
		return none, err
	})
	return added, err
}

func (s *Store) fillPayments(ctx context.Context, args []any, to *pack) (added int, err error) {
	type requests struct {
		due    string
		payees []string
	}
	asked := map[payment.ID]*requests{}
	r, err := s.read.query(ctx, both(fmt.Sprintf(loadRequests, placeholders(1, loadedAtOnce))), args...)
	if err != nil {
		return 0, err
	}
	_, err = collect(r, func() (none struct{}, err error) {
		var id payment.ID
		var idx int
		var due, payee string
		if err = r.Scan(&id, &idx, &due, &payee); err != nil {
			return none, err
		}
		if asked[id] == nil {
			asked[id] = &requests{}
		}
		if idx == 0 {
			asked[id].due = due
		}
		asked[id].payees = append(asked[id].payees, payee)
		return none, nil
	})
	if err != nil {
		return 0, err
	}
	if r, err = s.read.query(ctx, both(fmt.Sprintf(loadPayments, placeholders(1, loadedAtOnce))), args...); err != nil {
		return 0, err
	}
	_, err = collect(r, func() (none struct{}, err error) {
		var id payment.ID
		var alias, reference string
		if err = r.Scan(&id, &alias, &reference); err == nil && asked[id] != nil {
			to.add(string(id), asked[id].due, []string{alias, reference}, asked[id].payees)
			added++
		}
		return none, err
	})
	return added, err
}
