package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// searchesAtOnce is how many searches in texts run at a time: one of a million payments
// takes some hundred megabytes while it runs.
const searchesAtOnce = 2

// hunt is one search in the texts of a merchant's payments in a dialect.
type hunt struct {
	*Store
	shelf
	wanted []byte
	income bool // looks into alias and reference only

	due  map[string]string   // of the payments whose texts were looked into
	hits map[string]struct{} // payments that have the text, which may be others than are listed
}

// hunt begins a search; the caller ends it. Texts are compared as the database has them in
// lower case.
func (s *Store) hunt(ctx context.Context, of shelf, text string, income bool) (h *hunt, end func(), err error) {
	select {
	case s.searching <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	h = &hunt{Store: s, shelf: of, wanted: []byte(plain(strings.ToLower(text))), income: income, due: map[string]string{}, hits: map[string]struct{}{}}
	if err := h.packs(ctx); err != nil {
		<-s.searching
		return nil, nil, err
	}
	return h, func() { <-s.searching }, nil
}

// packs looks into the packs of payments.
func (h *hunt) packs(ctx context.Context) error {
	return h.eachPack(ctx, selectPacks, h.shelf, ofPayments, h.payments)
}

func (h *hunt) payments(p *pack) error {
	return p.search(h.wanted, h.income, func(e entry, hit bool) {
		h.due[e.name] = e.more
		if hit {
			h.hits[e.name] = struct{}{}
		}
	})
}

// among keeps of some payments those that are found; for these, all that is in no pack is
// looked into as well.
func (h *hunt) among(ctx context.Context, all []listed) ([]listed, error) {
	var rest []string
	for _, one := range all {
		if _, known := h.due[one.name]; !known {
			rest = append(rest, one.name)
		}
	}
	if err := h.rest(ctx, ofPayments, rest, h.payments); err != nil {
		return nil, err
	}
	if !h.income {
		if err := h.transfers(ctx); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(one listed) bool {
		_, hit := h.hits[one.name]
		return !hit
	}), nil
}

// transfers looks into those of the merchant.
func (h *hunt) transfers(ctx context.Context) error {
	known := map[string]struct{}{}
	look := func(p *pack) error {
		return p.search(h.wanted, false, func(e entry, hit bool) {
			known[e.name] = struct{}{}
			if hit {
				h.hits[e.more] = struct{}{}
			}
		})
	}
	if err := h.eachPack(ctx, selectPacks, h.shelf, ofTransfers, look); err != nil {
		return err
	}
	all, err := h.shelved(ctx, h.shelf, ofTransfers)
	if err != nil {
		return err
	}
	var rest []string
	for _, one := range all {
		if _, there := known[one.name]; !there {
			rest = append(rest, one.name)
		}
	}
	return h.rest(ctx, ofTransfers, rest, look)
}

// rest looks into what is in no pack.
func (h *hunt) rest(ctx context.Context, kind string, names []string, look func(*pack) error) error {
	for some := range slices.Chunk(names, loadedAtOnce) {
		var p pack
		if _, err := h.fill(ctx, kind, some, false, &p); err != nil {
			return err
		}
		if err := look(&p); err != nil {
			return err
		}
	}
	return nil
}

// searchedPage finds the page of a list with a search, and how many there are; x is the
// condition on payments p without the search.
func (s *Store) searchedPage(ctx context.Context, x statement, l checkout.Listing) (ids []payment.ID, total int, err error) {
	h, end, err := s.hunt(ctx, shelf{l.Merchant, l.Dialect}, l.Search, false)
	if err != nil {
		return nil, 0, err
	}
	defer end()
	at := `p.created_at`
	if l.ByPaid {
		at = `p.settled_at`
	}
	all, err := s.namesOfPayments(ctx, x, at)
	if err != nil {
		return nil, 0, err
	}
	if all, err = h.among(ctx, all); err != nil {
		return nil, 0, err
	}
	slices.SortFunc(all, func(a, b listed) int {
		by := cmp.Compare(a.at, b.at)
		if l.ByAmount && !l.ByPaid {
			// Amounts are decimal texts without leading zeros: the longer one is more.
			one, other := h.due[a.name], h.due[b.name]
			by = cmp.Or(cmp.Compare(len(one), len(other)), strings.Compare(one, other))
		}
		if by = cmp.Or(by, strings.Compare(a.name, b.name)); l.Ascending {
			return by
		}
		return -by
	})
	first := min(max(l.Offset, 0), len(all))
	for _, one := range all[first:min(first+max(l.Limit, 0), len(all))] {
		ids = append(ids, payment.ID(one.name))
	}
	return ids, len(all), nil
}

// searchedIncome are the payments whose income is searched for.
func (s *Store) searchedIncome(ctx context.Context, q checkout.IncomeQuery) ([]string, error) {
	h, end, err := s.hunt(ctx, shelf{q.Merchant, q.Dialect}, q.Search, true)
	if err != nil {
		return nil, err
	}
	defer end()
	all, err := s.shelved(ctx, h.shelf, ofPayments)
	if err != nil {
		return nil, err
	}
	if all, err = h.among(ctx, all); err != nil {
		return nil, fmt.Errorf("look into texts: %w", err)
	}
	names := make([]string, 0, len(all))
	for _, one := range all {
		names = append(names, one.name)
	}
	return names, nil
}
