package app_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// club is a payment that a Safe is to make, and a merchant who listens.
type club struct {
	*webtest.World
	t       *testing.T
	options webtest.Options
	token   string
	safe    *safetest.Safe // where it signs
	from    string         // what the API is asked beside, such as "&chain=ARBITRUM&token=USDC"
	hooks   *listener
}

// held is what a Safe of these tests has of USDC, and in wei, on each chain.
const held = 50_000_000

func newClub(t *testing.T, v safe.Version, o webtest.Options) *club {
	t.Helper()
	o.Safes, o.Database = true, "sqlite:"+t.TempDir()+"/test.db"
	w := webtest.NewWith(t, o)
	c := &club{World: w, t: t, options: o, hooks: listen(t)}
	w.AddEndpoint(c.hooks.URL, "whsec_"+strings.Repeat("ab", 16))
	first, second := w.Safe(v, held)
	if c.safe = first; second != nil {
		c.safe, c.from = second, "&chain=ARBITRUM&token=USDC"
	}
	c.Chain.Mine(webtest.Confirmations)
	c.token = w.CreatePayment("12.34")
	return c
}

// restart stops the server, lets something happen without it, and starts another
// one on the same database.
func (c *club) restart(meanwhile func()) {
	c.t.Helper()
	c.World.Stop()
	meanwhile()
	o := c.options
	o.Chain, o.Second, o.Router = c.Chain, c.Second, c.Router
	key, merchant := c.APIKey, c.Merchant
	c.World = webtest.NewWith(c.t, o)
	c.APIKey, c.Merchant = key, merchant
}

func (c *club) at() string { return "/v2/secure-payments/" + c.token }

// asks asks for the calldata as somebody with the Safe does.
func (c *club) asks() webtest.Response {
	c.t.Helper()
	return c.API(http.MethodGet, c.at()+"/pay?wallet="+c.safe.Address.String()+"&isSafe=true"+c.from, "")
}

// proposes makes the Safe's transaction of what the API hands out.
func (c *club) proposes(nonce uint64) (safe.Tx, string) {
	c.t.Helper()
	var calls []rail.Call
	body := c.asks().Want(http.StatusOK).JSON()
	transactions, _ := body["transactions"].([]any)
	if batch, ok := body["batchPaymentTransaction"]; ok {
		approvals, _ := body["ERC20ApprovalTransactions"].([]any)
		transactions = append(approvals, batch)
	}
	for _, x := range transactions {
		m, _ := x.(map[string]any)
		to, data, value := text(m["to"]), strings.TrimPrefix(text(m["data"]), "0x"), strings.TrimPrefix(text(m["value"]), "0x")
		raw, err := hex.DecodeString(data)
		wei, ok := new(big.Int).SetString(value, 16)
		if err != nil || !ok {
			c.t.Fatalf("transaction %v", m)
		}
		calls = append(calls, rail.Call{To: addressOf(c.t, to), Data: raw, Value: wei})
	}
	id := asset.ChainID(c.safe.Chain.ID())
	account := safe.Account{Chain: id, Address: c.safe.Address}
	for _, k := range safe.At(id).Contracts(id, safe.MultiSendCallOnly) {
		if k.Version == c.safe.Version && account.MultiSend.IsZero() {
			account.MultiSend = k.Address
		}
	}
	tx, err := account.Batch(calls, nonce)
	if err != nil {
		c.t.Fatal(err)
	}
	return tx, c.safe.Hash(tx).String()
}

func text(v any) string { s, _ := v.(string); return s }

func addressOf(t *testing.T, s string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// intent is the seed's, with more members if there are any.
func (c *club) intent(hash string, more map[string]any) webtest.Response {
	c.t.Helper()
	body := map[string]any{"safeTxHash": hash, "chain": "BASE", "token": "USDC"}
	if c.Second != nil {
		body["chain"] = "ARBITRUM"
	}
	for k, v := range more {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.API(http.MethodPost, c.at()+"/intent", string(b))
}

// whole is the intent's additions: the transaction, and one owner's signature.
func (c *club) whole(tx safe.Tx) map[string]any {
	c.t.Helper()
	b, err := tx.MarshalJSON()
	if err != nil {
		c.t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(b, &members); err != nil {
		c.t.Fatal(err)
	}
	signature := c.safe.Chain.Other.SignDigest(c.safe.Hash(tx))
	return map[string]any{"safeTx": members, "safeSignatures": []string{"0x" + hex.EncodeToString(signature)}, "payerAddress": c.safe.Address.String()}
}

// executes has the Safe's owners do something, and the chain take it.
func (c *club) executes(tx safe.Tx) string {
	c.t.Helper()
	sent := c.safe.Execute(tx)
	c.safe.Chain.Mine(1)
	if r := c.safe.Chain.Receipt(sent); r == nil || r.Status != 1 {
		c.t.Fatalf("not executed: %+v", r)
	}
	return sent
}

// settles makes what happened final.
func (c *club) settles() { c.safe.Chain.Mine(webtest.Confirmations) }

// drains has the Safe give away what it has, so that a payment fails.
func (c *club) drains(nonce uint64) {
	c.t.Helper()
	data, err := hex.DecodeString("a9059cbb" + strings.Repeat("0", 24) + c.safe.Chain.Address()[2:] + fmt.Sprintf("%064x", held))
	if err != nil {
		c.t.Fatal(err)
	}
	c.executes(safe.Tx{To: addressOf(c.t, c.safe.Chain.USDC()), Data: data, Nonce: nonce})
}

func (c *club) attempt(kind string) *payment.Attempt {
	c.t.Helper()
	p := c.Load(c.token)
	if i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Kind == kind }); i >= 0 {
		return &p.Attempts[i]
	}
	return nil
}

// ends waits for the end of the newest Safe transaction.
func (c *club) ends(hash string, stage payment.AttemptStage, reason string) {
	c.t.Helper()
	var last payment.Attempt
	c.Await(fmt.Sprintf("the Safe transaction to be %s for %q", stage, reason), func() bool {
		for _, a := range c.Load(c.token).Attempts {
			if a.Handle == hash {
				last = a
			}
		}
		return last.Stage == stage
	})
	if last.Reason != reason {
		c.t.Errorf("it is %s for %q, want %q", last.Stage, last.Reason, reason)
	}
}

// locked expects the seed's 423, on the look and for calldata.
func (c *club) locked(hash string, deadline int64) {
	c.t.Helper()
	for _, path := range []string{c.at(), c.at() + "/pay?wallet=" + c.safe.Address.String() + "&isSafe=true" + c.from, c.at() + "/pay?wallet=" + c.Chain.Address()} {
		body := c.API(http.MethodGet, path, "").Want(http.StatusLocked).JSON()
		statuses, _ := body["requestStatuses"].([]any)
		if body["message"] != "Secure payment is in progress" || body["status"] != "pending" || len(statuses) != 1 {
			c.t.Fatalf("%s: %v", path, body)
		}
		s, _ := statuses[0].(map[string]any)
		want := map[string]any{
			"requestId": c.Load(c.token).Terms.Requests[0].ID, "hasBeenPaid": false, "safeTxHash": hash, "chainId": float64(c.safe.Chain.ID()),
		}
		if deadline != 0 {
			want["safePaymentDeadline"] = float64(deadline)
		}
		for k, v := range want {
			if s[k] != v {
				c.t.Errorf("%s: %s is %v, want %v", path, k, s[k], v)
			}
		}
	}
}

// told waits for a webhook and returns its body.
func (c *club) told(event string) map[string]any {
	c.t.Helper()
	var body map[string]any
	c.Await("the webhook "+event, func() bool { body = c.hooks.heard(event, c.token); return body != nil })
	return body
}

// paid expects a payment by the Safe, told to everybody.
func (c *club) paid(hash string) *payment.Payment {
	c.t.Helper()
	p := c.AwaitState(c.token, payment.Paid)
	// Once it is paid nobody is in a hurry to look again.
	for _, a := range p.Attempts {
		if _, err := c.App.Checkout.TrackSafe(c.t.Context(), c.token+" "+a.Key); err != nil {
			c.t.Fatal(err)
		}
	}
	c.ends(hash, payment.Executed, "")
	if got := p.Transfers[0].Evidence.Payer; got != c.safe.Address.String() {
		c.t.Errorf("the payer is %s, want the Safe %s", got, c.safe.Address)
	}
	c.API(http.MethodGet, c.at(), "").Want(http.StatusConflict)
	if body := c.told("payment.confirmed"); body["payerAddress"] != c.safe.Address.String() || body["txHash"] != p.Transfers[0].Evidence.Tx {
		c.t.Errorf("told %v", body)
	}
	return p
}

// failed expects a payment that is over for a reason.
func (c *club) failed(hash, reason string) {
	c.t.Helper()
	c.ends(hash, payment.Abandoned, reason)
	c.AwaitState(c.token, payment.Failed)
	if body := c.API(http.MethodGet, c.at(), "").Want(http.StatusForbidden).JSON(); body["status"] != "failed" {
		c.t.Errorf("it is %v", body)
	}
	if body := c.told("payment.failed"); body["subStatus"] != reason {
		c.t.Errorf("told %v", body)
	}
}

// listener is a merchant's endpoint.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []map[string]any
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var body map[string]any
		if err != nil || json.Unmarshal(b, &body) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bodies = append(l.bodies, body)
	}))
	t.Cleanup(l.Close)
	return l
}

// heard is the newest body of a payment's event, nil if there is none.
func (l *listener) heard(event, token string) (last map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.bodies {
		if b["event"] == event && b["securePaymentToken"] == token {
			last = b
		}
	}
	return last
}

// each runs a test with a Safe of every version, or of some.
func each(t *testing.T, test func(t *testing.T, v safe.Version), only ...safe.Version) {
	if len(only) == 0 {
		only = safe.Versions()
	}
	for _, v := range only {
		t.Run(string(v), func(t *testing.T) { t.Parallel(); test(t, v) })
	}
}
