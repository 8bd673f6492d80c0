package spacepay_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/webhook/webhooktest"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

const hookSecret = "whsec_dGVzdCBzZWNyZXQgb2YgdGhlIHJlY2VpdmVy"

// told is a webhook's body.
type told struct {
	Type string
	Data struct {
		Payment  wire
		Transfer *struct {
			Kind, AmountAsset string
			AmountUSD, TxHash *string
		}
	}
	Timestamp string
}

// line is what a message says, in short.
func (m told) line() string {
	out := m.Type + " " + m.Data.Payment.Status
	if x := m.Data.Transfer; x != nil {
		out += " " + x.Kind
	}
	if r := m.Data.Payment.Receipt; r != nil {
		out += " " + r.SettledAmountUSD
	}
	return out
}

// heard returns the messages about a payment, oldest first, of a receiver that verifies
// each of them as the documentation's sample does.
func (s shop) heard(r *webhooktest.Receiver, id string) (out []told) {
	s.t.Helper()
	contract, err := apidoctest.Load()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range r.Received() {
		mac := hmac.New(sha256.New, []byte(hookSecret))
		mac.Write([]byte(d.Header.Get("X-SpacePay-Timestamp") + "." + string(d.Body)))
		if d.Problem != nil || hex.EncodeToString(mac.Sum(nil)) != d.Header.Get("X-SpacePay-Signature") {
			s.t.Errorf("%s does not verify: %v, %v", d.Body, d.Header, d.Problem)
		}
		m := read[told](s.t, d.Body)
		if err := contract.Webhook(m.Type, d.Header, d.Body); err != nil {
			s.t.Error(err)
		}
		if m.Data.Payment.ID == id {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b told) int { return strings.Compare(a.Timestamp, b.Timestamp) })
	return out
}

// hears waits for the messages about a payment and holds them against what they should say.
func (s shop) hears(r *webhooktest.Receiver, name string, m made, want ...string) {
	s.t.Helper()
	var got []string
	s.Await(name+": its messages", func() bool {
		got = nil
		for _, x := range s.heard(r, m.PaymentID) {
			got = append(got, x.line())
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: heard\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Payments of which all comes, and one that is called off: each status is told once.
func TestCompletedLives(t *testing.T) {
	s := open(t, webtest.Deposits{})
	r := webhooktest.New(t, hookSecret)
	s.AddEndpoint(r.URL, hookSecret)
	exact, parts, over, off, gone := s.create(order), s.create(cents("1000")), s.create(cents("1000")), s.create(order), s.create(order)
	for _, m := range []made{exact, parts, over, off, gone} {
		s.hears(r, "created", m, "payment.created pending")
	}

	s.send(gone, 100)
	s.await(gone.PaymentID, "processing")
	s.Chain.Reorg(1)
	s.await(gone.PaymentID, "pending")
	s.hears(r, "gone", gone, "payment.created pending", "payment.updated processing seen", "payment.updated pending reorged")

	s.send(exact, 100)
	s.await(exact.PaymentID, "processing")
	if p := s.show(exact.PaymentID); p.Receipt != nil || p.Quotes[0].Status != "used" {
		t.Errorf("%+v", p)
	}
	first := s.send(parts, 40)
	s.await(parts.PaymentID, "processing")
	refuses(t, s.SpacePay(http.MethodPost, backend+"/"+parts.PaymentID+"/cancel", ""), http.StatusBadRequest, "invalid_request_error", "payment_not_pending", "")
	s.send(over, 150)
	s.await(over.PaymentID, "processing")
	rest := s.send(parts, 60)
	s.Await("the rest", func() bool { return len(s.heard(r, parts.PaymentID)) >= 3 })
	s.Chain.Mine(webtest.Confirmations + 1)
	for _, m := range []made{exact, parts, over} {
		p := s.await(m.PaymentID, "completed")
		x := p.Receipt
		if x == nil || x.CompletedAt == nil || x.Confirmations < webtest.Confirmations || x.RequiredConfirmations != webtest.Confirmations ||
			*x.TxSenderAddress != strings.ToLower(s.Chain.Wallet.Address()) {
			t.Errorf("%+v", x)
		}
	}
	if p := s.show(parts.PaymentID); *p.Receipt.TransactionHash != rest || *p.Receipt.TransactionHash == first {
		t.Errorf("%+v", p.Receipt)
	}
	refuses(t, s.SpacePay(http.MethodPost, backend+"/"+exact.PaymentID+"/cancel", ""), http.StatusBadRequest, "invalid_request_error", "payment_not_pending", "")

	for range 2 {
		p := read[wire](t, s.SpacePay(http.MethodPost, backend+"/"+off.PaymentID+"/cancel", "").Want(http.StatusOK).Body)
		if p.Status != "cancelled" || p.Receipt != nil {
			t.Errorf("%+v", p)
		}
	}
	s.send(exact, 10)
	s.send(off, 100)
	s.Await("late money", func() bool { return len(s.heard(r, off.PaymentID)) >= 2 })
	s.Chain.Mine(webtest.Confirmations)

	s.hears(r, "exact", exact, "payment.created pending", "payment.updated processing seen", "payment.updated completed paid 1.00",
		"payment.updated completed seen 1.00", "payment.updated completed surplus 1.10")
	s.hears(r, "over", over, "payment.created pending", "payment.updated processing seen", "payment.updated completed paid 15.00")
	s.hears(r, "parts", parts, "payment.created pending", "payment.updated processing seen", "payment.updated processing seen",
		"payment.updated processing partial", "payment.updated completed paid 10.00")
	s.hears(r, "off", off, "payment.created pending", "payment.updated cancelled", "payment.updated cancelled seen 1.00", "payment.updated cancelled late 1.00")
	if p := s.show(off.PaymentID); p.Status != "cancelled" || p.Receipt.CompletedAt != nil || p.Receipt.SettledAmountUSD != "1.00" {
		t.Errorf("%+v", p.Receipt)
	}
}

// Payments whose time runs out: without money, with too little of it, with all of it late.
func TestEndedLives(t *testing.T) {
	s := open(t, webtest.Deposits{Life: 15 * time.Second})
	r := webhooktest.New(t, hookSecret)
	s.AddEndpoint(r.URL, hookSecret)
	nothing, little, late := s.create(cents("1000")), s.create(cents("1000")), s.create(cents("1000"))
	s.send(little, 40)
	s.await(little.PaymentID, "processing")
	s.await(nothing.PaymentID, "expired")
	s.await(little.PaymentID, "failed")
	// Nobody is told before the blocks of the last second must have been seen.
	s.Await("the end to be told", func() bool {
		if _, err := s.App.Checkout.ExpireOverdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(s.list("?status=expired").Data) == 2 && len(s.list("?status=failed").Data) == 1
	})
	for status, m := range map[string]made{"failed": little, "expired": nothing} {
		found := s.list("?status=" + status).Data
		if !slices.ContainsFunc(found, func(p wire) bool { return p.ID == m.PaymentID && p.Status == status }) {
			t.Errorf("%s: %+v", status, found)
		}
		refuses(t, s.SpacePay(http.MethodPost, backend+"/"+m.PaymentID+"/cancel", ""), http.StatusBadRequest, "invalid_request_error", "payment_not_pending", "")
		refuses(t, s.Do(http.MethodPost, client+m.PaymentID+"/quotes", "", m.with()), http.StatusBadRequest, "invalid_request_error", "payment_not_pending", "")
	}
	// Told before anything comes late: a message tells of what is known by block times.
	for _, m := range []made{nothing, late} {
		s.hears(r, "over", m, "payment.created pending", "payment.updated expired")
	}
	s.Await("the end of the part", func() bool { return len(s.heard(r, little.PaymentID)) >= 3 })
	// Blocks tell whole seconds: one of the last second would be in time.
	s.Await("the next second", func() bool { return time.Now().After(late.Payment.Quotes[0].ExpiresAt.Add(time.Second)) })
	s.send(late, 100)
	s.send(little, 60)
	s.Await("late money", func() bool {
		return s.show(late.PaymentID).Receipt != nil && s.show(little.PaymentID).Receipt.SettledAmountUSD == "10.00"
	})
	s.Chain.Mine(webtest.Confirmations + 1)
	s.hears(r, "nothing", nothing, "payment.created pending", "payment.updated expired")
	s.hears(r, "late", late, "payment.created pending", "payment.updated expired", "payment.updated expired seen 10.00", "payment.updated expired late 10.00")
	got := s.heard(r, little.PaymentID)
	s.Await("all about what came in part", func() bool {
		got = s.heard(r, little.PaymentID)
		return len(got) == 6
	})
	if last := got[5]; last.line() != "payment.updated failed late 10.00" || last.Data.Payment.Receipt.CompletedAt != nil {
		t.Errorf("%s: %+v", last.line(), last.Data.Payment.Receipt)
	}
	for _, m := range []made{nothing, little, late} { // what is over stays over
		if p := s.show(m.PaymentID); p.Status != map[bool]string{true: "failed", false: "expired"}[m.PaymentID == little.PaymentID] {
			t.Errorf("%+v", p)
		}
	}
}

// Deliveries of this dialect are no business of the other one's routes.
func TestDeliveriesStayInTheirDialect(t *testing.T) {
	s := open(t, webtest.Deposits{})
	r := webhooktest.New(t, hookSecret)
	s.AddEndpoint(r.URL, hookSecret)
	m := s.create(order)
	s.hears(r, "created", m, "payment.created pending")
	event := r.Received()[0].Header.Get(spacepay.HeaderDeliveryID)
	delivery, _, _ := strings.Cut(event, "-")
	at := "/v1/webhook/" + r.Received()[0].Header.Get(spacepay.HeaderEndpointID)
	if got := s.API(http.MethodGet, at+"/deliveries", "").Want(http.StatusOK); !strings.Contains(string(got.Body), `"deliveries":[]`) {
		t.Errorf("%s", got.Body)
	}
	s.API(http.MethodPost, at+"/replay", fmt.Sprintf(`{"deliveryId":%q}`, delivery)).Want(http.StatusNotFound)
	if got := s.API(http.MethodPost, at+"/replay", `{"from":"2020-01-01T00:00:00Z"}`).Want(http.StatusOK); !strings.Contains(string(got.Body), `"replayed":0`) {
		t.Errorf("%s", got.Body)
	}
}

// A quote that asks for more than is still missing is no quote to pay by: whoever asks gets
// one of the rest, however young the first one is.
func TestQuotesOfTheRest(t *testing.T) {
	s := open(t, webtest.Deposits{})
	m := s.create(cents("1000"))
	first := s.show(m.PaymentID).Quotes[0]
	s.send(m, 40)
	s.await(m.PaymentID, "processing")
	at := client + m.PaymentID + "/quotes"
	if got := read[[]quote](t, s.Do(http.MethodGet, at, "", m.with()).Want(http.StatusOK).Body); len(got) != 0 {
		t.Errorf("active for the rest: %+v", got)
	}
	if q := s.show(m.PaymentID).Quotes[0]; q.Status != "used" || q.ExpectedAmountAsset != first.ExpectedAmountAsset {
		t.Errorf("the first quote is %+v", q)
	}
	rest := read[quote](t, s.Do(http.MethodPost, at, "{}", m.with()).Want(http.StatusCreated).Body)
	whole, _ := new(big.Int).SetString(first.ExpectedAmountAsset, 10)
	left, _ := new(big.Int).SetString(rest.ExpectedAmountAsset, 10)
	if most := new(big.Int).Quo(new(big.Int).Mul(whole, big.NewInt(61)), big.NewInt(100)); rest.ID == first.ID || left.Cmp(most) > 0 || left.Sign() <= 0 {
		t.Errorf("of the rest %s is asked for, of all it was %s", left, whole)
	}
	if got := read[[]quote](t, s.Do(http.MethodGet, at, "", m.with()).Want(http.StatusOK).Body); len(got) != 1 || got[0].ID != rest.ID {
		t.Errorf("active for the rest: %+v", got)
	}
}
