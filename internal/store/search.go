package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"quittance/internal/checkout"
)

// The arrivals of a search are found in two steps: their keys in the order of
// the answer, by an index and bounded in number, and then all that is told of
// them. Texts are made of a few fixed parts, so there is a bounded number of them.

// fillCopies gives transfers their copies of what they are searched by, where
// they were stored without: by the first version, before or beside this one.
const fillCopies = `UPDATE transfers SET
 merchant = (SELECT p.merchant FROM payments p WHERE p.id = transfers.payment),
 client_id = (SELECT p.client_id FROM payments p WHERE p.id = transfers.payment),
 reference = (SELECT SUBSTR(p.reference, 1, 255) FROM payments p WHERE p.id = transfers.payment),
 payee = COALESCE((SELECT r.payee FROM requests r WHERE r.payment = transfers.payment AND r.idx = transfers.request), ''),
 invoiced = COALESCE((SELECT r.asset FROM requests r WHERE r.payment = transfers.payment AND r.idx = transfers.request), '')
 WHERE merchant = ''`

// fillDialect does the same for the copy that came with payment links.
const fillDialect = `UPDATE transfers SET dialect = (SELECT p.dialect FROM payments p WHERE p.id = transfers.payment) WHERE dialect = ''`

func (s *Store) copyToTransfers(ctx context.Context) error {
	for _, fill := range []string{fillCopies, fillDialect} {
		if err := s.change(ctx, fill); err != nil {
			return fmt.Errorf("make transfers searchable: %w", err)
		}
	}
	return nil
}

// arrivalsAtOnce is how many arrivals one query loads.
const arrivalsAtOnce = 20

const (
	// elsewhere compares the merchant in a way that no index serves. Beside a
	// condition that few transfers fulfil, databases without statistics would
	// rather read all of the merchant's in the right order than sort those few.
	elsewhere = `t.merchant || '' = `

	// hidesNothing reads policies as encodeAccess writes them. It counts, because PostgreSQL
	// makes a join of NOT EXISTS and reads all payments for that; and it takes "<> 1" to be
	// true mostly, and "= 0" hardly ever.
	hidesNothing = `(SELECT COUNT(*) FROM payments h WHERE h.id = t.payment AND` +
		` (h.access LIKE '%"hidePayee":true%' OR h.access LIKE '%"hideUntilApproved":true%')) <> 1`

	// holder is payment.Payment.Holder of a transfer.
	holder = `COALESCE((SELECT MIN(o.owner) FROM attempts o WHERE o.payment = t.payment AND o.payer = t.payer AND o.owner <> ''), t.payer)`

	// throughAccount finds the transfers of somebody's smart accounts.
	throughAccount = `t.key IN (SELECT x.key FROM attempts o JOIN transfers x ON x.payment = o.payment AND x.payer = o.payer WHERE o.owner <> '' AND o.owner = `

	inOrder = ` ORDER BY t.at DESC, t.key DESC`

	selectArrivals = `SELECT t.payment, t.key, t.request, t.rail, t.asset, t.amount, t.credit, t.fee, t.stage, t.at,
 t.chain, t.block, t.block_hash, t.tx, t.log_index, t.payer, t.route, t.source_chain, t.source_tx, t.source_asset, t.source_amount, t.quote, p.state, p.reference, r.id, r.reference, r.asset, r.payee, r.fee_payee, ` + holder + `
 FROM transfers t JOIN requests r ON r.payment = t.payment AND r.idx = t.request JOIN payments p ON p.id = t.payment WHERE t.key IN (`
)

// Arrivals lists the transfers of a search, newest first, and counts all that
// fit, up to checkout.SearchDepth and one more.
func (s *Store) Arrivals(ctx context.Context, q checkout.Search) (found []checkout.Arrival, total int, err error) {
	named, err := s.namedRequest(ctx, q)
	if err != nil || (named == nil && (q.RequestID != "" || q.Reference != "")) {
		return nil, 0, err
	}
	all := keysOf(q, named, checkout.SearchDepth+1)
	if err := s.read.row(ctx, `SELECT COUNT(*) FROM (`+all.text+`) f`, all.args, &total); err != nil {
		return nil, 0, fmt.Errorf("count arrivals: %w", err)
	}
	if q.Offset >= total {
		return nil, total, nil
	}
	page := keysOf(q, named, reach(q.Offset+q.Limit))
	page.text = `SELECT t.key FROM (` + page.text + `) t` + inOrder + ` LIMIT ` + page.put(q.Limit) + ` OFFSET ` + page.put(q.Offset)
	keys, err := s.queryKeys(ctx, page)
	if err != nil {
		return nil, 0, fmt.Errorf("find arrivals: %w", err)
	}
	found, err = s.loadArrivals(ctx, keys)
	return found, total, err
}

func (s *Store) queryKeys(ctx context.Context, x statement) ([]string, error) {
	r, err := s.read.query(ctx, x.text, x.args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (key string, err error) {
		err = r.Scan(&key)
		return key, err
	})
}

// loadArrivals reads arrivals in the order of their keys.
func (s *Store) loadArrivals(ctx context.Context, keys []string) ([]checkout.Arrival, error) {
	var all []checkout.Arrival
	for part := range slices.Chunk(keys, arrivalsAtOnce) {
		var x statement
		for i := range arrivalsAtOnce {
			x.put(part[min(i, len(part)-1)]) // the last one fills up, so that there is one text
		}
		r, err := s.read.query(ctx, both(selectArrivals+placeholders(1, arrivalsAtOnce)+`) ORDER BY at DESC, key DESC`), x.args...)
		if err != nil {
			return nil, fmt.Errorf("load arrivals: %w", err)
		}
		some, err := collect(r, func() (checkout.Arrival, error) { return scanArrival(r) })
		if err != nil {
			return nil, fmt.Errorf("load arrivals: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// statement is SQL that is being put together, with its parameters.
type statement struct {
	text string
	args []any
}

// put adds a parameter and returns its name. Text comes from outside.
func (x *statement) put(v any) string {
	if text, ok := v.(string); ok {
		v = plain(text)
	}
	x.args = append(x.args, v)
	return "$" + strconv.Itoa(len(x.args))
}

const selectNamed = `SELECT payment, idx FROM requests WHERE `

// namedRequest finds the request that a search names by its id, its reference or
// both; nil if there is none. Looked up before the transfers are, because
// databases without statistics join the two the wrong way round.
func (s *Store) namedRequest(ctx context.Context, q checkout.Search) (*checkout.Owner, error) {
	var condition string
	var x statement
	switch {
	case q.RequestID != "" && q.Reference != "":
		condition = `id = ` + x.put(q.RequestID) + ` AND reference = ` + x.put(q.Reference)
	case q.RequestID != "":
		condition = `id = ` + x.put(q.RequestID)
	case q.Reference != "":
		condition = `reference = ` + x.put(q.Reference)
	default:
		return nil, nil
	}
	var o checkout.Owner
	ok, err := found(inPlace(selectNamed+condition).row(ctx, s.read, x.args, &o.Payment, &o.Request))
	if err != nil {
		return nil, fmt.Errorf("find request: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return &o, nil
}

// reach is a number of rows of which there are few, at least n. It stands in the
// text, because a database that plans without knowing it plans for most of the table.
func reach(n int) int {
	for _, enough := range []int{200, 2000} {
		if n <= enough {
			return enough
		}
	}
	return 2 * checkout.SearchDepth
}

// keysOf selects key and time of the newest transfers of a search.
func keysOf(q checkout.Search, named *checkout.Owner, limit int) statement {
	var x statement
	who, few := x.put(q.Merchant), q.Tx != "" || named != nil
	conditions := x.conditions(q, named)
	bound := ` LIMIT ` + strconv.Itoa(limit)
	newest := func(side []string) string {
		of := `t.merchant = `
		if few || slices.ContainsFunc(side, func(c string) bool { return strings.HasPrefix(c, throughAccount) }) {
			of = elsewhere
		}
		return `SELECT t.key, t.at FROM transfers t WHERE ` + of + who + ` AND ` + strings.Join(slices.Concat(conditions, side), ` AND `) + inOrder + bound
	}
	var parts []string
	for _, side := range x.sides(q) {
		parts = append(parts, united(newest(side)))
	}
	x.text = `SELECT t.key, t.at FROM (` + strings.Join(parts, ` UNION ALL `) + `) t` + inOrder + bound
	return x
}

// conditions are what each transfer of a search fulfils.
func (x *statement) conditions(q checkout.Search, named *checkout.Owner) []string {
	all := []string{`t.stage = 'final'`}
	and := func(condition string) { all = append(all, condition) }
	if q.ClientID != "" {
		and(`t.client_id = ` + x.put(q.ClientID))
	}
	if q.Shown {
		and(hidesNothing)
	}
	if q.Dialect != "" {
		and(`EXISTS (SELECT 1 FROM payments d WHERE d.id = t.payment AND d.dialect = ` + x.put(q.Dialect) + `)`)
	}
	if q.Tx != "" {
		// Each by its own index, whatever the database makes of an OR.
		hash := x.put(q.Tx)
		and(`t.key IN (SELECT a.key FROM transfers a WHERE a.tx = ` + hash +
			` UNION SELECT b.key FROM transfers b WHERE b.source_tx = ` + hash + ` AND b.source_tx <> '')`)
	}
	if named != nil {
		and(`t.payment = ` + x.put(named.Payment) + ` AND t.request = ` + x.put(named.Request))
	}
	switch q.Came {
	case checkout.OverBridge:
		and(`t.route <> ''`)
	case checkout.Directly:
		and(`t.route = ''`)
	case checkout.AnyWay:
	}
	if q.Order != "" {
		and(`t.reference = ` + x.put(q.Order))
	}
	if q.Invoiced != "" {
		and(`t.invoiced = ` + x.put(string(q.Invoiced)))
	}
	if !q.From.IsZero() {
		and(`t.at >= ` + x.put(micros(q.From)))
	}
	if !q.To.IsZero() {
		and(`t.at <= ` + x.put(micros(q.To)))
	}
	return all
}

// sides are sets of further conditions of which a transfer fulfils just one: each is found
// by its own index, and nothing twice.
func (x *statement) sides(q checkout.Search) [][]string {
	sides := [][]string{nil}
	either := func(among ...[]string) {
		var split [][]string
		for _, side := range sides {
			for _, one := range among {
				split = append(split, slices.Concat(side, one))
			}
		}
		sides = split
	}
	if !q.Wallet.IsZero() {
		payer, payee := x.put(q.Wallet.String()), x.put(q.Wallet.Lower())
		either([]string{`t.payer = ` + payer}, []string{`t.payee = ` + payee, `t.payer <> ` + payer},
			[]string{throughAccount + payer + `)`, `t.payer <> ` + payer, `t.payee <> ` + payee})
	}
	if q.Asset != "" {
		given := x.put(string(q.Asset))
		either([]string{`t.asset = ` + given, `t.source_asset = ''`}, []string{`t.source_asset = ` + given, `t.route <> ''`})
	}
	return sides
}

func scanArrival(r rows) (checkout.Arrival, error) {
	var a checkout.Arrival
	var payee, feePayee string
	owned, err := scanTransfer(wider{r, []any{&a.State, &a.Order, &a.RequestID, &a.Reference, &a.Invoiced, &payee, &feePayee, &a.Holder}})
	if err != nil {
		return a, err
	}
	a.Payment, a.Transfer = owned.Payment, owned.Transfer
	if a.Payee, err = parseAddress(payee); err != nil {
		return a, err
	}
	a.FeePayee, err = addressOrNone(feePayee)
	return a, err
}

// wider scans rows that have more columns than their reader asks for.
type wider struct {
	rows
	more []any
}

func (w wider) Scan(dest ...any) error { return w.rows.Scan(slices.Concat(dest, w.more)...) }
