package secpaid_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

const (
	ownWallet    = "0x1111111111111111111111111111111111111111"
	friendWallet = "0x2222222222222222222222222222222222222222"
	thirdWallet  = "0x3333333333333333333333333333333333333333"
)

// crew is a desk whose merchant shares with two others, all of whom have wallets.
type crew struct {
	*desk
	friend, third           payment.MerchantID
	friendToken, thirdToken string
}

func openCrew(t *testing.T) crew {
	t.Helper()
	c := crew{desk: open(t, webtest.Options{Deposits: &webtest.Deposits{}})}
	c.friend, c.friendToken = c.another("Friend")
	c.third, c.thirdToken = c.another("Third")
	c.wallet(c.Merchant, asset.SandboxBase, ownWallet)
	c.wallet(c.friend, asset.SandboxBase, friendWallet)
	c.wallet(c.third, asset.SandboxBase, thirdWallet)
	return c
}

func (c crew) split(body string) made {
	c.t.Helper()
	return fine[made](c.t, c.call("createSplitLink", body))
}

// user is a merchant's user_id, which answers to the own token tell.
func (c crew) user(token string, m payment.MerchantID) string {
	c.t.Helper()
	c.SetBankAccount(m, webtest.Holder, webtest.IBAN)
	return fine[made](c.t, c.send("createLink", `{"amount":1}`, "token: "+token)).UserID
}

// What is due to whom: a request a share, to everybody's own wallet, without a bank.
func TestSplitLinks(t *testing.T) {
	c := openCrew(t)
	friend := c.user(c.friendToken, c.friend)
	sent := `[{"token":"` + c.friendToken + `","share":33.33},{"token":"` + c.thirdToken + `","share":"10"}]`
	for name, x := range map[string]struct {
		fields string
		want   []string // wallet and cents
	}{
		"percent":       {`"recipients":` + sent, []string{friendWallet + " 3333", thirdWallet + " 1000", ownWallet + " 5667"}},
		"euros":         {`"split_type":"absolute","recipients":` + sent, []string{friendWallet + " 3333", thirdWallet + " 1000", ownWallet + " 5667"}},
		"all of it":     {`"recipients":[{"token":"` + c.friendToken + `","share":100}]`, []string{friendWallet + " 10000"}},
		"by user_id":    {`"recipients":[{"token":"` + friend + `","share":50}],"split_type":"normal"`, []string{friendWallet + " 5000", ownWallet + " 5000"}},
		"as text":       {`"recipients":` + quote(sent), []string{friendWallet + " 3333", thirdWallet + " 1000", ownWallet + " 5667"}},
		"with all else": {`"recipients":` + sent + `,"bank_transfer":"true","cancellable":false,"callback_url":"https://a.example.com/","payment_endpoint":"https://a.example.com/hook"`, []string{friendWallet + " 3333", thirdWallet + " 1000", ownWallet + " 5667"}},
	} {
		m := c.split(`{"amount":100,` + x.fields + `}`)
		if m.IsSplitLink != "true" || m.TransactionType != "Split" || m.BankTransfer != "false" || m.Recipients == nil || m.Amount != "100" {
			t.Errorf("%s: %+v", name, m)
		}
		p := c.stored(m.ID)
		var got []string
		for _, r := range p.Terms.Requests {
			got = append(got, r.Payee.Lower()+" "+money.WholeCents(r.Due).String())
			if r.Asset != asset.EUR || r.Chain != asset.SandboxBase || r.Bank != nil || !r.Quoted() {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v", name, got)
		}
		for _, token := range []string{c.friendToken, c.thirdToken} {
			if strings.Contains(p.Terms.Metadata, token) {
				t.Errorf("%s: a token is stored: %s", name, p.Terms.Metadata)
			}
		}
	}
	// The answer has what was sent; later ones have the recipients' ids.
	m := c.split(`{"amount":100,"recipients":[{"token":"` + c.friendToken + `","share":10.50}]}`)
	if want := `[{"token":"` + c.friendToken + `","share":10.50}]`; *m.Recipients != want {
		t.Errorf("%s", *m.Recipients)
	}
	listed := unused(c.desk, `{"limit":1}`)
	if want := `[{"token":"` + friend + `","share":10.50}]`; listed[0].Shared == nil || *listed[0].Shared != want || listed[0].Type != "Split" {
		t.Errorf("%+v", listed)
	}
	for _, operation := range []string{"getMyUnusedLinks", "getMyUsedLinks", "getPayInTransactions"} {
		if r := c.call(operation, `{"limit":1000}`); strings.Contains(string(r.Body), c.friendToken) {
			t.Errorf("%s tells a token", operation)
		}
	}
}

func TestSplitRefusals(t *testing.T) {
	c := openCrew(t)
	poor, poorToken := c.another("Poor")
	away, awayToken := c.another("Away")
	c.wallet(away, asset.SandboxArbitrum, thirdWallet)
	one := func(token, share string) string { return `{"token":"` + token + `","share":` + share + `}` }
	own := c.user(c.token, c.Merchant)
	for name, x := range map[string]struct{ fields, want string }{
		"no list":                {``, "Please enter recipients"},
		"an empty one":           {`"recipients":[]`, "Please enter recipients"},
		"nobody's token":         {`"recipients":[` + one("sp_live_nobody", "10") + `]`, "Invalid recipient token at index 0"},
		"nobody's id":            {`"recipients":[` + one(c.friendToken, "10") + `,` + one("b44c4429-4a7b-5e27-85af-c1c2f43f4ffe", "10") + `]`, "Invalid recipient token at index 1"},
		"the own token":          {`"recipients":[` + one(c.token, "10") + `]`, "Invalid recipient token at index 0"},
		"the own id":             {`"recipients":[` + one(own, "10") + `]`, "Invalid recipient token at index 0"},
		"twice":                  {`"recipients":[` + one(c.friendToken, "10") + `,` + one(c.friendToken, "10") + `]`, "Invalid recipient token at index 1"},
		"twice, by token and id": {`"recipients":[` + one(c.friendToken, "10") + `,` + one(c.user(c.friendToken, c.friend), "10") + `]`, "Invalid recipient token at index 1"},
		"no share":               {`"recipients":[{"token":"` + c.friendToken + `"}]`, "Invalid share at index 0"},
		"a share of nothing":     {`"recipients":[` + one(c.friendToken, "0") + `]`, "Invalid share at index 0"},
		"less than a cent":       {`"amount":0.05,"recipients":[` + one(c.friendToken, "1") + `]`, "Share at index 0 is less than 0.01"},
		"more than all":          {`"recipients":[` + one(c.friendToken, "60") + `,` + one(c.thirdToken, "40.01") + `]`, "Sum of shares should not be more than 100"},
		"more than the amount":   {`"split_type":"absolute","recipients":[` + one(c.friendToken, "100.01") + `]`, "Sum of shares should not be more than amount"},
		"another kind":           {`"split_type":"equal","recipients":[` + one(c.friendToken, "10") + `]`, "Invalid split_type"},
		"without a wallet":       {`"recipients":[` + one(c.friendToken, "10") + `,` + one(poorToken, "10") + `]`, "Recipient at index 1 has no wallet"},
		"on another network":     {`"recipients":[` + one(awayToken, "10") + `]`, "Recipient at index 0 has no wallet"},
		"no amount":              {`"amount":null,"recipients":[]`, "Please enter amount"},
	} {
		body := `{` + x.fields + `}`
		if !strings.Contains(x.fields, `"amount"`) {
			body = strings.TrimSuffix(`{"amount":100,`+x.fields, ",") + `}`
		}
		refuses(t, name, c.call("createSplitLink", body), http.StatusOK, x.want)
	}
	refuses(t, "the owner without a wallet", c.send("createSplitLink", `{"amount":100,"recipients":[`+one(c.friendToken, "10")+`]}`, "token: "+poorToken), http.StatusOK, "Your account has no wallet")
	// Who gets all of it needs no wallet of the owner's.
	if m := fine[made](t, c.send("createSplitLink", `{"amount":100,"recipients":[`+one(c.friendToken, "100")+`]}`, "token: "+poorToken)); m.UserID != c.user(poorToken, poor) {
		t.Errorf("%+v", m)
	}
}

// Several wallets: the newest on a network counts, and a wallet that was taken away does not.
func TestSplitTakesTheNewestWallet(t *testing.T) {
	c := openCrew(t)
	const newer = "0x4444444444444444444444444444444444444444"
	time.Sleep(2 * time.Millisecond) // ids order by the millisecond
	c.wallet(c.friend, asset.SandboxBase, newer)
	body := `{"amount":100,"recipients":[{"token":"` + c.friendToken + `","share":10}]}`
	if p := c.stored(c.split(body).ID); p.Terms.Requests[0].Payee.Lower() != newer {
		t.Errorf("%s", p.Terms.Requests[0].Payee)
	}
	active, err := c.App.Directory.Destinations(t.Context(), c.friend)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range active {
		if err := c.App.Store.DeactivateDestination(t.Context(), c.friend, x.ID); err != nil {
			t.Fatal(err)
		}
	}
	refuses(t, "no wallet any more", c.call("createSplitLink", body), http.StatusOK, "Recipient at index 0 has no wallet")
}

// A split link is used when every share has come: one webhook, to the owner's endpoint, and
// rows that say whose money it is, which the owner alone sees.
func TestSplitPaid(t *testing.T) {
	c := openCrew(t)
	hook, other := webhooktest.New(t, secret), webhooktest.New(t, secret)
	c.set(func(s *merchant.LinkSettings) {})
	if err := c.App.Store.SetLinkSettings(t.Context(), merchant.LinkSettings{Merchant: c.friend, Secret: secret, Endpoints: []string{other.URL}, Default: "0"}); err != nil {
		t.Fatal(err)
	}
	friend := c.user(c.friendToken, c.friend)
	m := c.split(`{"amount":100,"recipient_note":"shared","recipients":[{"token":"` + c.friendToken + `","share":40}],"payment_endpoint":` + quote(hook.URL) + `}`)
	id := c.stored(m.ID).ID
	p, _, err := c.App.Checkout.Quote(t.Context(), id, "ETH-base", true)
	if err != nil {
		t.Fatal(err)
	}
	due, ok := payment.InAsset(p, "ETH-base", time.Now().UTC())
	if !ok || len(due.Terms.Requests) != 2 {
		t.Fatalf("%+v", due)
	}
	for i, r := range due.Terms.Requests {
		ref, err := official.ParseReference(r.Reference)
		if err != nil {
			t.Fatal(err)
		}
		c.Chain.PayETH(ref[:], r.Payee.String(), r.Due, r.FeeAmount(), "")
		c.Chain.Mine(webtest.Confirmations + 1)
		c.Await("a share", func() bool {
			got, _ := transactions(c.desk, `{}`)
			return len(got) == i+1 && got[0].Status == "Success"
		})
		if i == 0 && len(used(c.desk, `{}`)) != 0 {
			t.Error("used with a share missing")
		}
	}
	c.Await("the link to be used", func() bool { return slices.Equal(ids(used(c.desk, `{}`)), idsOf(m)) })
	got, total := transactions(c.desk, fmt.Sprintf(`{"pay_id":%d}`, m.ID))
	if total != 2 || got[0].User != m.UserID || got[0].Amount != "60.00" || got[1].User != friend || got[1].Amount != "40.00" || got[1].Creator != m.UserID || got[1].Type != "Split" {
		t.Errorf("%+v", got)
	}
	if theirs := fine[[]transaction](t, c.send("getPayInTransactions", `{}`, "token: "+c.friendToken)); len(theirs) != 0 {
		t.Errorf("the recipient sees %+v", theirs)
	}
	heard := hook.Wait(t, 1)
	if want := fmt.Sprintf(`{"ResponseCode":1,"data":{"pay_id":%d,"note":"shared","amount":100,"user_id":"%s","status":"Success"}}`, m.ID, m.UserID); string(heard[0].Body) != want {
		t.Errorf("%s, want %s", heard[0].Body, want)
	}
	if len(hook.Received()) != 1 || len(other.Received()) != 0 {
		t.Errorf("told %d times, and %d times to the recipient", len(hook.Received()), len(other.Received()))
	}
}
