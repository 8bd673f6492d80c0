package secpaid

import (
	"strings"
	"time"

	"quittance/internal/money"
	"quittance/internal/payment"
)

// The statuses of links.
const (
	statusUnused    = "Unused"
	statusUsed      = "Used"
	statusCancelled = "Cancelled"
	statusDeleted   = "Deleted"
	statusRefunded  = "Refunded"
)

// linkStatus is a link's status in this dialect's words. Whoever deleted a link called its
// payment off too; a refund is of one that was made. A link whose money is seen and not yet
// final is unused; so is one whose time is up, for this API's links have none.
func linkStatus(s payment.State, deleted, refunded bool) string {
	switch s {
	case payment.Paid:
		if refunded {
			return statusRefunded
		}
		return statusUsed
	case payment.Canceled:
		if deleted {
			return statusDeleted
		}
		return statusCancelled
	case payment.Open, payment.Seen, payment.Expired, payment.Failed:
		return statusUnused
	}
	panic("secpaid: no status for state " + s)
}

func yes(v bool) string {
	if v {
		return "Yes"
	}
	return "No"
}

func isTrue(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

// joined writes several URLs as the fields take them.
func joined(urls []string) string { return strings.Join(urls, ",") }

// percent writes a share as this API does, with one decimal at least: "1.0", "0.25".
func percent(b money.BasisPoints) string {
	s := b.String()
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// second is a time in UTC, as this API writes them.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// payLink is a link's address. The padding of its id stands there as it is.
func payLink(base string, id int64) string { return base + "/payment?link_id=" + linkID(id) }

// qrImage is the address of a picture of a link's address, which this server draws.
func qrImage(base string, id int64) string {
	return base + "/payment/qr?link_id=" + linkID(id) + "&size=300"
}

// zone is the name of the time in Berlin, which is all that ServerTime tells: summer time is
// from the last Sunday in March to the last one in October, at one o'clock UTC (Directive
// 2000/84/EC).
func zone(now time.Time) string {
	lastSunday := func(m time.Month) time.Time {
		end := time.Date(now.UTC().Year(), m, 31, 1, 0, 0, 0, time.UTC)
		return end.AddDate(0, 0, -int(end.Weekday()))
	}
	if now.Before(lastSunday(time.March)) || !now.Before(lastSunday(time.October)) {
		return "CET"
	}
	return "CEST"
}
