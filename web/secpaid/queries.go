package secpaid

import (
	"strconv"
	"strings"
	"time"
)

// linkQuery is what getMyUnusedLinks and getMyUsedLinks ask for.
type linkQuery struct {
	Limit  int
	Search string // "" for all
}

// transactionQuery is what getPayInTransactions asks for.
type transactionQuery struct {
	Page, Limit int
	Search      string    // "" for all
	Link        int64     // 0 for all
	From, To    time.Time // zero for all of time; To is not in it
}

const (
	someLinks        = 10
	mostLinks        = 1000
	someTransactions = 200
	mostTransactions = 1000
	mostPages        = 1_000_000
	mostDays         = 36_500
	maxSearch        = 255 // characters
)

// parseLinkQuery reads the fields of the two lists.
//
// Faults: Invalid.
func parseLinkQuery(in input) (linkQuery, error) {
	n, err := in.whole("limit", someLinks, 1, mostLinks)
	if err != nil {
		return linkQuery{}, err
	}
	q := linkQuery{Limit: int(n)}
	q.Search, err = in.line("search", maxSearch)
	return q, err
}

// parseTransactionQuery reads the fields of getPayInTransactions. A date is a day in UTC;
// since is a number of days back from now; where both are given, the date counts.
//
// Faults: Invalid.
func parseTransactionQuery(in input, now time.Time) (transactionQuery, error) {
	q := transactionQuery{}
	page, err := in.whole("page", 1, 1, mostPages)
	if err != nil {
		return q, err
	}
	limit, err := in.whole("limit", someTransactions, 1, mostTransactions)
	if err != nil {
		return q, err
	}
	q.Page, q.Limit = int(page), int(limit)
	if q.Search, err = in.line("search", maxSearch); err != nil {
		return q, err
	}
	date, err := in.line("date", 20)
	if err != nil {
		return q, err
	}
	since, err := in.whole("since", 0, 0, mostDays)
	if err != nil {
		return q, err
	}
	switch {
	case date != "":
		day, err := time.Parse(time.DateOnly, date)
		if err != nil || day.Year() < 2000 || day.Year() > 2200 {
			return q, invalid("date")
		}
		q.From, q.To = day, day.AddDate(0, 0, 1)
	case since > 0:
		q.From = now.UTC().AddDate(0, 0, -int(since))
	}
	if in["pay_id"].kind == absent {
		return q, nil
	}
	var ok bool
	if q.Link, ok = in.link("pay_id"); !ok {
		return q, invalid("pay_id")
	}
	return q, nil
}

// parseDeletion reads the field of deleteLink.
//
// Faults: Invalid "missing_link_id"; NotFound "unknown_link" of what is no id.
func parseDeletion(in input) (int64, error) {
	if in["link_id"].kind == absent {
		return 0, errNoLink
	}
	id, ok := in.link("link_id")
	if !ok {
		return 0, errLink
	}
	return id, nil
}

// link reads a link's id: its digits, as a number or a text, or as they stand in the link's
// address.
func (in input) link(field string) (int64, bool) {
	v := in[field]
	s := strings.TrimSpace(v.text)
	if v.kind != number && v.kind != text {
		return 0, false
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return parseLink(s)
	}
	return parseLinkID(s)
}
