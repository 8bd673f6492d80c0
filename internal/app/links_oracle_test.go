package app_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// end has all be told, read and final.
func (h *linkHistory) end() {
	h.t.Helper()
	w := h.worlds[0]
	var lines []webtest.Transferred
	for _, x := range h.bank {
		lines = append(lines, x.Transferred)
	}
	if len(lines) > 0 {
		for _, v := range []camt.Version{camt.V08, camt.V02} {
			for _, w := range h.worlds {
				w.Import(webtest.Statement(h.t, v, lines...))
			}
		}
	}
	w.Chain.Mine(1 + webtest.Confirmations)
	for i, l := range h.links {
		sent := w.Chain.Balance(w.Chain.USDC(), l.address)
		w.Await(fmt.Sprintf("link %d to have %s units", i, sent), func() bool {
			got := new(big.Int)
			for _, x := range w.Load(string(l.id)).Transfers {
				if x.Rail != "sepa" && x.Stage == payment.Final && x.Priced() {
					got.Add(got, x.Amount)
				}
			}
			return got.Cmp(sent) == 0
		})
	}
}

// check adds up by itself what every link is and has, and holds the servers to it.
func (h *linkHistory) check() {
	h.t.Helper()
	w := h.worlds[0]
	booked, err := w.App.Checkout.Bookings(h.t.Context(), checkout.BookingQuery{Merchant: w.Merchant, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	counted := map[payment.ID][]int64{} // by the bank or by somebody's word
	told := map[int64]int{}             // cents, to how often
	for _, b := range booked {
		if b.Outcome != checkout.OutcomeConfirmed {
			told[b.Cents]++
		}
		if b.Counts {
			counted[b.Payment] = append(counted[b.Payment], b.Cents)
		}
	}
	want := map[int64]int{}
	sure := map[payment.ID]int64{} // what counts whatever else is said
	for _, x := range h.bank {
		want[x.Cents]++
		if x.link >= 0 && len(h.links[x.link].confirmed) == 0 {
			sure[h.links[x.link].id] += x.Cents
		}
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		h.t.Errorf("bookings %v were told, and are %v", want, told)
	}
	var used, unused []string
	transfers := 0
	for i, l := range h.links {
		p := w.Load(string(l.id))
		bank, inTime := []int64{}, new(big.Int)
		for _, x := range p.Transfers {
			if x.Stage == payment.Dropped {
				continue
			}
			transfers++
			if x.Rail == "sepa" {
				bank = append(bank, money.WholeCents(x.Amount).Int64())
			}
			// A block's time is a whole second: coins of that second may have come before.
			if l.canceled == "" || !x.At.After(p.Terms.CanceledAt) {
				inTime.Add(inTime, x.Credit)
			}
			if l.canceled != "" && !x.At.After(p.Terms.CanceledAt) && (x.Rail == "sepa" || p.Terms.CanceledAt.Sub(x.At) > time.Second) {
				h.t.Errorf("link %d was called off though money had come: %+v", i, x)
			}
		}
		slices.Sort(bank)
		slices.Sort(counted[l.id])
		if !slices.Equal(bank, counted[l.id]) {
			h.t.Errorf("link %d has the transfers %v of the bookings %v", i, bank, counted[l.id])
		}
		if sum := total(bank); sum < sure[l.id]+total(l.confirmed) {
			h.t.Errorf("link %d has %d cents by bank, and got %d and %v", i, sum, sure[l.id], l.confirmed)
		}
		state := payment.Open
		switch {
		case inTime.Cmp(money.Cents(l.cents)) >= 0:
			state = payment.Paid
		case l.canceled != "":
			state = payment.Canceled
		}
		switch {
		case l.canceled == payment.ByDeletion:
		case state == payment.Paid:
			used = append(used, l.alias)
		default:
			unused = append(unused, l.alias)
		}
		if p.Standing.State != state || p.Terms.CanceledBy != l.canceled {
			h.t.Errorf("link %d is %s, called off by %q, and should be %s, by %q", i, p.Standing.State, p.Terms.CanceledBy, state, l.canceled)
		}
		h.heard(i, l, state)
	}
	h.listed("getMyUsedLinks", used)
	h.listed("getMyUnusedLinks", unused)
	if got := w.SecPaid("getPayInTransactions", `{"limit":1}`).JSON()["totalRecords"]; got != float64(transfers) {
		h.t.Errorf("%v transactions are told of, and there are %d", got, transfers)
	}
}

func total(cents []int64) (sum int64) {
	for _, c := range cents {
		sum += c
	}
	return sum
}

// listed holds a list against the links that should be in it.
func (h *linkHistory) listed(operation string, want []string) {
	h.t.Helper()
	var found struct {
		Data []struct {
			ID string `json:"linktopay_id"`
		}
	}
	if err := json.Unmarshal(h.worlds[len(h.worlds)-1].SecPaid(operation, `{"limit":100}`).Want(http.StatusOK).Body, &found); err != nil {
		h.t.Fatal(err)
	}
	var got []string
	for _, x := range found.Data {
		got = append(got, x.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.t.Errorf("%s lists %v, want %v", operation, got, want)
	}
}

// heard checks that every endpoint of the list was told of a link's end once, and of nothing
// else. The same message may come again: then it has the same id.
func (h *linkHistory) heard(i int, l *owed, state payment.State) {
	h.t.Helper()
	want := map[string]int{}
	if state == payment.Paid {
		want["Success"] = 1
	}
	if l.canceled == payment.ByPayer {
		want["Cancel"] = 1
	}
	for n, hook := range h.hooks {
		var got map[string]int
		deadline := time.Now().Add(time.Minute)
		for got = h.said(hook, l.alias); fmt.Sprint(got) != fmt.Sprint(want) && time.Now().Before(deadline); got = h.said(hook, l.alias) {
			time.Sleep(20 * time.Millisecond)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			h.t.Errorf("endpoint %d heard %v of link %d, want %v", n, got, i, want)
		}
	}
}

// said counts the messages of a link that came to an endpoint, by what they say.
func (h *linkHistory) said(hook *webhooktest.Receiver, alias string) map[string]int {
	h.t.Helper()
	ids, said := map[string]bool{}, map[string]int{}
	for _, got := range hook.Received() {
		if got.Problem != nil {
			h.t.Fatalf("a webhook that is not signed: %v", got.Problem)
		}
		if ids[got.ID] {
			continue
		}
		ids[got.ID] = true
		body := got.Body
		var sealed struct{ Data json.RawMessage }
		if err := json.Unmarshal(body, &sealed); err != nil {
			h.t.Fatalf("webhook %s: %v", body, err)
		}
		var text string
		if json.Unmarshal(sealed.Data, &text) == nil {
			body = h.open(text)
		}
		var told struct {
			Data struct {
				PayID  json.Number `json:"pay_id"`
				Status string
			}
		}
		if err := json.Unmarshal(body, &told); err != nil {
			h.t.Fatalf("webhook %s: %v", body, err)
		}
		if told.Data.PayID.String() == alias {
			said[told.Data.Status]++
		}
	}
	return said
}

// open decrypts by somebody else's program.
func (h *linkHistory) open(data string) []byte {
	h.t.Helper()
	if plain, ok := h.opened[data]; ok {
		return plain
	}
	cmd := exec.CommandContext(h.t.Context(), h.openssl, "enc", "-d", "-aes-256-cbc", "-K", hex.EncodeToString([]byte(linkKey)), "-iv", hex.EncodeToString([]byte(linkKey[:16])), "-base64", "-A")
	cmd.Stdin = strings.NewReader(data)
	plain, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("openssl: %v", err)
	}
	h.opened[data] = plain
	return plain
}
