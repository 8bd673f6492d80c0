package spacepay

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"quittance/internal/fault"
)

// listing is what a list of payments asks for.
type listing struct {
	Status    string // "" for all
	Search    string // "" for all
	ByAmount  bool   // in place of by time
	Ascending bool
	Limit     int
	Offset    int
	Deposits  bool // which do not exist here
}

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxOffset    = 1_000_000
	maxSearch    = 255
)

type pageWire struct {
	Total       int  `json:"total"`
	Limit       int  `json:"limit"`
	Offset      int  `json:"offset"`
	HasMore     bool `json:"hasMore"`
	TotalPages  int  `json:"totalPages"`
	CurrentPage int  `json:"currentPage"` // from 1
}

// parseListing reads the parameters of a list. Those that nobody knows are passed over.
//
// Faults: Invalid, with the parameter at fault.
func parseListing(q url.Values) (listing, error) {
	l := listing{Status: q.Get("status"), Search: strings.TrimSpace(q.Get("search"))}
	one := func(name, text string, known ...string) error {
		if text == "" || slices.Contains(known, text) {
			return nil
		}
		return fault.Field(name, "invalid_"+snake[name], "The "+name+" must be one of "+strings.Join(known, ", "))
	}
	var errs [5]error
	errs[0] = one("status", l.Status, statuses...)
	errs[1] = one("type", q.Get("type"), "payment", "deposit")
	errs[2] = one("sortBy", q.Get("sortBy"), "createdAt", "amountInCents")
	errs[3] = one("sortOrder", q.Get("sortOrder"), "ASC", "DESC")
	l.ByAmount, l.Ascending = q.Get("sortBy") == "amountInCents", q.Get("sortOrder") == "ASC"
	l.Deposits = q.Get("type") == "deposit"
	at, err := parsePage(q)
	l.Limit, l.Offset, errs[4] = at.Limit, at.Offset, err
	for _, err := range errs {
		if err != nil {
			return listing{}, err
		}
	}
	if len(l.Search) > maxSearch || !utf8.ValidString(l.Search) || strings.ContainsFunc(l.Search, func(r rune) bool { return r < ' ' }) {
		return listing{}, fault.Field("search", "invalid_search", "The search must be at most 255 characters long")
	}
	return l, nil
}

// parsePage reads which part of a list is asked for.
//
// Faults: Invalid "invalid_limit", "invalid_offset".
func parsePage(q url.Values) (l listing, err error) {
	if l.Limit, err = whole(q, "limit", defaultLimit, 1, maxLimit); err != nil {
		return l, err
	}
	l.Offset, err = whole(q, "offset", 0, 0, maxOffset)
	return l, err
}

var snake = map[string]string{"status": "status", "type": "type", "sortBy": "sort_by", "sortOrder": "sort_order"}

func whole(q url.Values, name string, otherwise, low, high int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	v, err := strconv.Atoi(q.Get(name))
	if err != nil || v < low || v > high {
		return 0, fault.Field(name, "invalid_"+name, "The "+name+" must be a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
	}
	return v, nil
}

// page is where a list is, of so many in all.
func page(total int, l listing) pageWire {
	return pageWire{
		Total: total, Limit: l.Limit, Offset: l.Offset, HasMore: l.Offset+l.Limit < total,
		TotalPages: (total + l.Limit - 1) / l.Limit, CurrentPage: l.Offset/l.Limit + 1,
	}
}
