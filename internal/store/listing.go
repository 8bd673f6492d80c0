package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

const selectByAlias = `SELECT id FROM payments WHERE dialect = $1 AND alias = $2 AND alias <> ''`

var findByAlias = inPlace(selectByAlias)

// PaymentByAlias implements checkout.Store.
func (s *Store) PaymentByAlias(ctx context.Context, dialect, alias string) (*payment.Payment, error) {
	id, err := s.aliased(ctx, dialect, alias)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, notFound("payment")
	}
	return s.Payment(ctx, id)
}

// aliased finds the payment with a public id, "" if there is none.
func (s *Store) aliased(ctx context.Context, dialect, alias string) (id payment.ID, err error) {
	if _, err := found(findByAlias.row(ctx, s.quick, []any{dialect, plain(alias)}, &id)); err != nil {
		return "", fmt.Errorf("find payment: %w", err)
	}
	return id, nil
}

// longestSearched is how many bytes the longest text may have that a search looks into,
// beside the merchant's name: a merchant's own reference, in whatever script.
const longestSearched = 4 * 255

// List implements checkout.Store. Only payments that have an alias are listed.
func (s *Store) List(ctx context.Context, l checkout.Listing) (list []*payment.Payment, total int, err error) {
	x, searches, err := s.conditions(ctx, l)
	if err != nil {
		return nil, 0, err
	}
	var ids []payment.ID
	if searches {
		ids, total, err = s.searchedPage(ctx, x, l)
	} else if err = s.read.row(ctx, `SELECT `+summed(`SELECT COUNT(*) FROM payments p`+x.text), x.args, &total); err == nil && l.Offset < total {
		ids, err = s.listedPage(ctx, x, l)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list payments: %w", err)
	}
	for _, id := range ids {
		p, err := s.Payment(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, p)
	}
	return list, total, nil
}

// listedPage finds the payments of a page without a search.
func (s *Store) listedPage(ctx context.Context, x statement, l checkout.Listing) ([]payment.ID, error) {
	if l.Limit <= 0 {
		return nil, nil
	}
	way := ` DESC`
	if l.Ascending {
		way = ` ASC`
	}
	join, by := ``, []string{`p.created_at`}
	switch {
	case l.ByPaid:
		by[0] = `p.settled_at`
	case l.ByAmount:
		// Amounts are decimal texts without leading zeros: the longer one is more.
		join, by = ` JOIN requests d ON d.payment = p.id AND d.idx = 0`, []string{`LENGTH(d.due)`, `d.due`}
	}
	place, inner, outer := `SELECT p.id AS id`, ` ORDER BY `, ` ORDER BY `
	for i, column := range by {
		name := `by` + strconv.Itoa(i)
		place += `, ` + column + ` AS ` + name
		inner, outer = inner+column+way+`, `, outer+`f.`+name+way+`, `
	}
	offset := max(l.Offset, 0)
	// Neither place needs to give more than the page may take from it.
	place += ` FROM payments p` + join + x.text + inner + `p.id` + way + ` LIMIT ` + x.put(offset+l.Limit)
	text := `SELECT f.id FROM (` + united(place) + `) f` + outer + `f.id` + way
	text += ` LIMIT ` + x.put(l.Limit) + ` OFFSET ` + x.put(offset)
	r, err := s.read.query(ctx, text, x.args...)
	if err != nil {
		return nil, err
	}
	return scanIDs(r)
}

// conditions are those on payments p of a listing. searches tells that it looks into
// texts besides.
func (s *Store) conditions(ctx context.Context, l checkout.Listing) (x statement, searches bool, err error) {
	x.text = ` WHERE p.merchant = ` + x.put(string(l.Merchant)) + ` AND p.dialect = ` + x.put(l.Dialect) + ` AND p.alias <> ''`
	if !l.Deleted {
		x.text += ` AND p.canceled_by <> 'deletion'`
	}
	if len(l.States) > 0 {
		var fits []string
		for _, state := range l.States {
			fit := `p.state = ` + x.put(string(state.State))
			if state.Part != nil {
				fit += ` AND p.part = ` + x.put(*state.Part)
			}
			fits = append(fits, fit)
		}
		x.text += ` AND (` + strings.Join(fits, ` OR `) + `)`
	}
	if l.Search == "" {
		return x, false, nil
	}
	wanted := strings.ToLower(l.Search)
	m, err := s.Merchant(ctx, l.Merchant)
	if err != nil {
		return x, false, err
	}
	switch {
	case strings.Contains(strings.ToLower(m.Name), wanted):
		return x, false, nil
	case len(wanted) > longestSearched:
		x.text += ` AND 1 = 0`
		return x, false, nil
	}
	return x, true, nil
}
