package secpaid_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// listed is an entry of one of the lists of links.
type listed struct {
	ID        string `json:"linktopay_id"`
	Note      string `json:"recipient_note"`
	Amount    string
	Cancelled string  `json:"is_cancelled"`
	Shared    *string `json:"recipients"`
	PayLink   string  `json:"pay_link"`
	QRImg     string  `json:"qr_img"`
	PaidOn    string  `json:"paid_on"`
	Type      string  `json:"transaction_type"`
	Status    string
}

func unused(d *desk, body string) []listed {
	d.t.Helper()
	return fine[[]listed](d.t, d.call("getMyUnusedLinks", body))
}

func used(d *desk, body string) []listed {
	d.t.Helper()
	return fine[[]listed](d.t, d.call("getMyUsedLinks", body))
}

func ids(ls []listed) (out []string) {
	for _, l := range ls {
		out = append(out, l.ID)
	}
	return out
}

func idsOf(ms ...made) (out []string) {
	for _, m := range ms {
		out = append(out, strconv.FormatInt(m.ID, 10))
	}
	return out
}

func TestLists(t *testing.T) {
	d := open(t, webtest.Options{})
	var ms []made
	for i := range 12 {
		ms = append(ms, d.create(fmt.Sprintf(`{"amount":%d.5,"recipient_note":"Invoice #%02d <ä>"}`, i+1, i)))
	}
	newest := slices.Clone(ms)
	slices.Reverse(newest)
	if got := ids(unused(d, ``)); !slices.Equal(got, idsOf(newest[:10]...)) {
		t.Errorf("the newest ten: %v", got)
	}
	if got := ids(unused(d, `[]`)); len(got) != 10 {
		t.Errorf("without fields, as PHP says it: %v", got)
	}
	if got := ids(unused(d, `{"limit":"3"}`)); !slices.Equal(got, idsOf(newest[:3]...)) {
		t.Errorf("three: %v", got)
	}
	if got := unused(d, `{"search":"invoice #07"}`); len(got) != 1 || got[0].Note != "Invoice #07 <ä>" || got[0].Amount != "8.50" || got[0].PayLink != ms[7].PayLink || got[0].QRImg != ms[7].QRImg || got[0].Cancelled != "No" || got[0].Type != "Basic" {
		t.Errorf("found %+v", got)
	}
	if got := ids(unused(d, `{"search":"`+strconv.FormatInt(ms[3].ID, 10)[4:12]+`"}`)); !slices.Contains(got, idsOf(ms[3])[0]) {
		t.Errorf("by a part of the id: %v", got)
	}
	if got := unused(d, `{"search":"100%"}`); len(got) != 0 {
		t.Errorf("a search is no pattern: %+v", got)
	}
	for body, want := range map[string]string{`{"limit":0}`: "Invalid limit", `{"limit":1001}`: "Invalid limit", `{"search":"\u0000"}`: "Invalid search"} {
		refuses(t, body, d.call("getMyUnusedLinks", body), http.StatusOK, want)
		refuses(t, body, d.call("getMyUsedLinks", body), http.StatusOK, want)
	}
	// Paid in another order than made.
	d.pay(ms[5])
	d.pay(ms[2])
	d.pay(ms[9])
	if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(ms[11].ID).ID); err != nil {
		t.Fatal(err)
	}
	fine[any](t, d.call("deleteLink", fmt.Sprintf(`{"link_id":%d}`, ms[10].ID)))
	if got := used(d, `{}`); !slices.Equal(ids(got), idsOf(ms[9], ms[2], ms[5])) || got[0].PaidOn == "" || got[0].PayLink != "" || got[0].Cancelled != "No" {
		t.Errorf("used: %+v", got)
	}
	if got := ids(used(d, `{"limit":1}`)); !slices.Equal(got, idsOf(ms[9])) {
		t.Errorf("the last one: %v", got)
	}
	left := unused(d, `{"limit":100}`)
	if want := idsOf(ms[11], ms[8], ms[7], ms[6], ms[4], ms[3], ms[1], ms[0]); !slices.Equal(ids(left), want) {
		t.Errorf("left: %v", ids(left))
	}
	if left[0].Cancelled != "Yes" || left[0].Status != "Cancelled" || left[1].Cancelled != "No" || left[1].Status != "Unused" {
		t.Errorf("%+v", left[:2])
	}
	if r := d.call("getMyUsedLinks", `{"limit":1}`); strings.Contains(string(r.Body), "pay_link") || strings.Contains(string(r.Body), "qr_img") {
		t.Errorf("a used link's address: %s", r.Body)
	}
}

// transaction is an entry of getPayInTransactions.
type transaction struct {
	PayID   string `json:"pay_id"`
	Creator string `json:"creator_id"`
	User    string `json:"user_id"`
	Amount  string
	Net     string `json:"net_amount"`
	Fee     string `json:"service_fee"`
	Status  string
	Note    string  `json:"recipient_note"`
	Created string  `json:"created_at"`
	Refund  string  `json:"is_refund"`
	Method  *string `json:"payment_method"`
	Type    string  `json:"transaction_type"`
}

func transactions(d *desk, body string) (found []transaction, total int) {
	d.t.Helper()
	v := read[[]transaction](d.t, d.call("getPayInTransactions", body))
	if v.ResponseCode != 1 {
		d.t.Fatalf("%s: %+v", body, v)
	}
	return v.Data, v.TotalRecords
}

func TestTransactions(t *testing.T) {
	d := open(t, webtest.Options{})
	m, n := d.create(`{"amount":49.99,"recipient_note":"Invoice #1","is_qr_link":"true"}`), d.create(`{"amount":7,"recipient_note":"Invoice #2"}`)
	if got, total := transactions(d, ``); len(got) != 0 || total != 0 {
		t.Errorf("%+v, %d", got, total)
	}
	for _, part := range []string{"10", `"20.00"`, "19.99"} {
		fine[any](t, d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":%s}`, m.ID, part)))
	}
	d.pay(n)
	got, total := transactions(d, `{}`)
	if total != 4 || len(got) != 4 || got[0].Amount != "7.00" || got[1].Amount != "19.99" || got[2].Amount != "20.00" || got[3].Amount != "10.00" {
		t.Fatalf("%+v, %d", got, total)
	}
	x := got[1]
	if x.PayID != strconv.FormatInt(m.ID, 10) || x.Creator != m.UserID || x.User != m.UserID || x.Net != x.Amount || x.Fee != "0.00" || x.Status != "Success" || x.Note != "Invoice #1" || x.Refund != "false" ||
		x.Method == nil || *x.Method != "bank_transfer" || x.Type != "Personal QR" {
		t.Errorf("%+v", x)
	}
	for body, want := range map[string]int{
		fmt.Sprintf(`{"pay_id":%d}`, m.ID): 3, fmt.Sprintf(`{"pay_id":"%d"}`, n.ID): 1, `{"pay_id":1}`: 0, `{"search":"#2"}`: 1, `{"date":"` + time.Now().UTC().Format(time.DateOnly) + `"}`: 4, `{"date":"2020-01-01"}`: 0, `{"since":1}`: 4,
	} {
		// A test that begins before midnight may end on another day.
		if got, total := transactions(d, body); (len(got) != want || total != want) && !(strings.Contains(body, "date") && time.Now().UTC().Hour() == 0) {
			t.Errorf("%s: %d of %d", body, len(got), total)
		}
	}
	if page, total := transactions(d, `{"page":2,"limit":3}`); len(page) != 1 || total != 4 || page[0] != got[3] && page[0].Amount != "10.00" {
		t.Errorf("the second page: %+v, %d", page, total)
	}
	for body, want := range map[string]string{`{"page":0}`: "Invalid page", `{"limit":1001}`: "Invalid limit", `{"date":"yesterday"}`: "Invalid date", `{"since":-1}`: "Invalid since", `{"pay_id":"x"}`: "Invalid pay_id"} {
		refuses(t, body, d.call("getPayInTransactions", body), http.StatusOK, want)
	}
	// What went back is a row of its own.
	recorded, err := d.App.Checkout.Refunded(t.Context(), d.Merchant, checkout.Refund{Payment: d.stored(n.ID).ID, Tx: "Rückzahlung 1", Asset: asset.EUR, Amount: money.Cents(350)})
	if err != nil || !recorded {
		t.Fatalf("%t, %v", recorded, err)
	}
	got, total = transactions(d, fmt.Sprintf(`{"pay_id":%d}`, n.ID))
	if total != 2 || got[0].Amount != "-3.50" || got[0].Net != "-3.50" || got[0].Refund != "true" || got[0].Type != "Refund" || got[0].Method == nil || *got[0].Method != "bank_transfer" || got[1].Amount != "7.00" {
		t.Errorf("%+v, %d", got, total)
	}
	if got := used(d, `{}`); len(got) != 2 || got[0].Status != "Used" || got[1].Status != "Used" {
		t.Errorf("half of a link's money went back: %+v", got)
	}
	if _, err := d.App.Checkout.Refunded(t.Context(), d.Merchant, checkout.Refund{Payment: d.stored(n.ID).ID, Tx: "Rückzahlung 2", Asset: asset.EUR, Amount: money.Cents(350)}); err != nil {
		t.Fatal(err)
	}
	if got := used(d, `{}`); len(got) != 2 || got[0].ID != strconv.FormatInt(n.ID, 10) || got[0].Status != "Refunded" || got[1].Status != "Used" {
		t.Errorf("all of it went back: %+v", got)
	}
}

// The merchant's word makes a link used, bit by bit, and never counts more than is missing.
func TestConfirming(t *testing.T) {
	d := open(t, webtest.Options{Deposits: &webtest.Deposits{}})
	m := d.create(`{"amount":49.99}`)
	confirm := func(id any, amount string) webtest.Response {
		t.Helper()
		return d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%v,"amount":%s}`, id, amount))
	}
	refuses(t, "no id", d.call("confirmBankTransfer", `{"amount":1}`), http.StatusOK, "Please enter link_id")
	refuses(t, "no amount", d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%d}`, m.ID)), http.StatusOK, "Please enter amount")
	refuses(t, "nobody's", confirm(99290, "1"), http.StatusOK, "Invalid link ID")
	refuses(t, "nothing", confirm(m.ID, "0"), http.StatusOK, "Amount should not be zero or negative number")
	refuses(t, "too much", confirm(m.ID, "50"), http.StatusOK, "Amount should not be more than is missing")
	type told struct {
		ID     int64
		Status string
	}
	if got := fine[told](t, confirm(quote(strconv.FormatInt(m.ID, 10)), `"20"`)); got != (told{m.ID, "Unused"}) {
		t.Errorf("%+v", got)
	}
	refuses(t, "more than is left", confirm(m.ID, "30"), http.StatusOK, "Amount should not be more than is missing")
	body := fmt.Sprintf(`{"link_id":%d,"amount":29.99}`, m.ID)
	first := d.call("confirmBankTransfer", body, "Idempotency-Key: rest")
	if got := fine[told](t, first); got != (told{m.ID, "Used"}) {
		t.Errorf("%+v", got)
	}
	if again := d.call("confirmBankTransfer", body, "Idempotency-Key: rest"); string(again.Body) != string(first.Body) {
		t.Errorf("%s", again.Body)
	}
	refuses(t, "used", confirm(m.ID, "1"), http.StatusOK, "This link is already used")
	refuses(t, "without a bank", confirm(d.create(`{"amount":5,"bank_transfer":"false"}`).ID, "5"), http.StatusOK, "This link cannot be paid by bank transfer")
	off := d.create(`{"amount":5}`)
	if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(off.ID).ID); err != nil {
		t.Fatal(err)
	}
	refuses(t, "cancelled", confirm(off.ID, "5"), http.StatusOK, "Link is cancelled")
	if got, total := transactions(d, `{}`); total != 2 {
		t.Errorf("%+v", got)
	}
}

// Money on a chain is told in euros, by the quote that it counted by, and so is what went
// back of it.
func TestTransactionsOnChain(t *testing.T) {
	d := open(t, webtest.Options{Deposits: &webtest.Deposits{}})
	m := d.create(`{"amount":100,"recipient_note":"on chain","bank_transfer":"false"}`)
	p, q, err := d.App.Checkout.Quote(t.Context(), d.stored(m.ID).ID, "ETH-base", true)
	if err != nil {
		t.Fatal(err)
	}
	to := p.Terms.Requests[0].Payee.String()
	d.Chain.Send(to, new(big.Int).Quo(q.Units, big.NewInt(2)), nil)
	d.Chain.Mine(1)
	var got []transaction
	d.Await("half of it", func() bool {
		got, _ = transactions(d, `{}`)
		return len(got) == 1
	})
	if got[0].Status != "Pending" || got[0].Amount != "50.00" && got[0].Amount != "49.99" || *got[0].Method != "crypto" {
		t.Errorf("%+v", got)
	}
	rest := new(big.Int).Sub(q.Units, new(big.Int).Quo(q.Units, big.NewInt(2)))
	tx := d.Chain.Send(to, rest, nil)
	d.Chain.Mine(webtest.Confirmations + 1)
	d.Await("the link to be used", func() bool { return len(used(d, `{}`)) == 1 })
	if got, _ = transactions(d, `{}`); len(got) != 2 || got[0].Status != "Success" {
		t.Errorf("%+v", got)
	}
	if found := used(d, `{"search":"`+tx+`"}`); !slices.Equal(ids(found), idsOf(m)) {
		t.Errorf("by its transaction: %+v", found)
	}
	_, err = d.App.Checkout.Refunded(t.Context(), d.Merchant, checkout.Refund{
		Payment: p.ID, Tx: "0x" + strings.Repeat("ab", 32), Asset: "ETH-base", Amount: new(big.Int).Quo(q.Units, big.NewInt(4)), To: asset.Address{19: 9},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ = transactions(d, `{}`) // the chain's clock may be ahead of ours
	if i := slices.IndexFunc(got, func(x transaction) bool { return x.Refund == "true" }); i < 0 || got[i].Amount != "-25.00" && got[i].Amount != "-24.99" || got[i].Type != "Refund" || *got[i].Method != "crypto" {
		t.Errorf("%+v", got)
	}
	if p := d.stored(m.ID); p.Standing.State != payment.Paid {
		t.Errorf("%s", p.Standing.State)
	}
}

// An answer's members stand in the documented order.
func TestOrderOfMembers(t *testing.T) {
	d := open(t, webtest.Options{})
	m := d.create(`{"amount":1,"recipient_note":"n"}`)
	inOrder := func(r webtest.Response, names ...string) {
		t.Helper()
		at := 0
		for _, name := range names {
			i := strings.Index(string(r.Body)[at:], `"`+name+`":`)
			if i < 0 {
				t.Fatalf("%s is not behind the others in %s", name, r.Body)
			}
			at += i + 1
		}
		if !json.Valid(r.Body) {
			t.Errorf("%s", r.Body)
		}
	}
	tail := []string{"ResponseCode", "ResponseMsg", "Result", "ServerTime"}
	inOrder(d.call("getMyUnusedLinks", `{}`), append([]string{"data", "linktopay_id", "user_id", "recipient_note", "amount", "is_cancelled", "recipients", "is_split_link", "pay_link", "qr_img", "transaction_type", "status"}, tail...)...)
	d.pay(m)
	inOrder(d.call("getMyUsedLinks", `{}`), append([]string{"data", "linktopay_id", "user_id", "recipient_note", "amount", "is_cancelled", "recipients", "is_split_link", "paid_on", "transaction_type", "status"}, tail...)...)
	inOrder(d.call("getPayInTransactions", `{}`), append([]string{
		"data", "pay_id", "creator_id", "user_id", "amount", "net_amount", "service_fee", "service_fee_psp", "status", "recipient_note", "payout_status", "created_at", "is_split_link", "is_dispute", "is_refund", "payment_method", "transaction_type",
	}, tail...)...)
	inOrder(d.send("createLink", `{}`), tail...)
}
