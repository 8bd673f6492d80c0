package request_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const (
	destinationsV2 = "/v2/payee-destination"
	destinationsV1 = "/v1/payee-destination"
)

func account(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// typedDigest hashes typed data by the rules of EIP-712 from nothing but the
// JSON that a wallet is given.
func typedDigest(t testing.TB, raw []byte) [32]byte {
	t.Helper()
	var data struct {
		Domain, Message map[string]any
		Types           map[string][]struct{ Name, Type string }
		PrimaryType     string
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&data); err != nil {
		t.Fatal(err)
	}
	keccak := func(b []byte) (sum [32]byte) {
		h := sha3.NewLegacyKeccak256()
		h.Write(b)
		copy(sum[:], h.Sum(nil))
		return sum
	}
	hashStruct := func(name string, values map[string]any) [32]byte {
		var kinds []string
		var body []byte
		for _, m := range data.Types[name] {
			kinds = append(kinds, m.Type+" "+m.Name)
			v, there := values[m.Name]
			if !there {
				t.Fatalf("%s of %s has no value", m.Name, name)
			}
			var word [32]byte
			switch m.Type {
			case "string":
				word = keccak([]byte(v.(string)))
			case "address":
				a := account(t, v.(string))
				copy(word[12:], a[:])
			case "uint256":
				n, ok := new(big.Int).SetString(fmt.Sprint(v), 10)
				if !ok {
					t.Fatalf("%v is no number", v)
				}
				n.FillBytes(word[:])
			default:
				t.Fatalf("type %s", m.Type)
			}
			body = append(body, word[:]...)
		}
		if len(values) != len(kinds) {
			t.Fatalf("%s has %d values of %d types", name, len(values), len(kinds))
		}
		kind := keccak([]byte(name + "(" + strings.Join(kinds, ",") + ")"))
		return keccak(append(kind[:], body...))
	}
	domain, message := hashStruct("EIP712Domain", data.Domain), hashStruct(data.PrimaryType, data.Message)
	return keccak(append(append([]byte{0x19, 1}, domain[:]...), message[:]...))
}

func sign(w *chaintest.Wallet, digest [32]byte) string {
	return "0x" + hex.EncodeToString(w.SignDigest(digest))
}

// proving is a wallet that signs for destinations.
type proving struct {
	*webtest.World
	t      *testing.T
	wallet *chaintest.Wallet
	as     []string // headers of the caller
}

func (p proving) ask(action, token string) webtest.Response {
	p.t.Helper()
	q := url.Values{"walletAddress": {p.wallet.Address()}, "action": {action}, "tokenAddress": {token}, "chainId": {"900008453"}}
	return p.Do(http.MethodGet, destinationsV2+"/signing-data?"+q.Encode(), "", p.as...)
}

// sign answers with the body that goes with an action.
func (p proving) sign(action, token string) string {
	p.t.Helper()
	r := p.ask(action, token).Want(http.StatusOK)
	return fmt.Sprintf(`{"signature":%q,"nonce":%q}`, sign(p.wallet, typedDigest(p.t, r.Body)), r.JSON()["nonce"])
}

func (p proving) add(token string) webtest.Response {
	p.t.Helper()
	return p.Do(http.MethodPost, destinationsV2, p.sign("add", token), p.as...)
}

func destinationPath(id any) string { return destinationsV2 + "/" + url.PathEscape(str(id)) }

func (p proving) stored() []merchant.Destination {
	p.t.Helper()
	all, err := p.App.Store.Destinations(p.t.Context(), p.Merchant)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func TestDestinationBySignature(t *testing.T) {
	w := webtest.New(t)
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: []string{"X-Api-Key: " + w.APIKey}}
	data := p.ask("add", w.Chain.USDC()).Want(http.StatusOK).JSON()
	message, _ := data["message"].(map[string]any)
	holds(t, "message", message, map[string]any{
		"action": "add", "server": webtest.BaseURL, "merchantId": w.Merchant, "merchant": "Test <Store> & Sons",
		"wallet": p.wallet.Address(), "token": w.Chain.USDC(), "chainId": "900008453", "nonce": data["nonce"],
	})
	if at, err := time.Parse(time.RFC3339, str(data["expiresAt"])); err != nil || time.Until(at) > 15*time.Minute || time.Until(at) < 14*time.Minute {
		t.Errorf("expiresAt: %v", data["expiresAt"])
	}

	body := p.sign("add", w.Chain.USDC())
	made := w.API(http.MethodPost, destinationsV2, body).Want(http.StatusCreated).JSON()
	to := asset.Destination{Wallet: account(t, p.wallet.Address()), Chain: 900008453, Token: account(t, w.Chain.USDC())}
	want := map[string]any{
		"destinationId": to.String(), "walletAddress": p.wallet.Address(), "walletType": "eoa", "tokenAddress": w.Chain.USDC(), "chainId": 9.00008453e+08,
		"binaryInteropAddress": "0x000100000435a4f1f514" + strings.ToLower(p.wallet.Address()[2:]), "humanReadableInteropAddress": to.Interop(),
		"claimed": true, "active": true, "accessPolicy": nil, "pendingWalletChange": nil,
	}
	want["binaryInteropAddress"] = "0x0001000004" + fmt.Sprintf("%08x", 900008453) + "14" + strings.ToLower(p.wallet.Address()[2:])
	holds(t, "made", made, want)
	carries(t, "made", made, "id", "createdAt")
	refuses(t, "the same nonce", w.API(http.MethodPost, destinationsV2, body), http.StatusBadRequest, "", "nonce")

	// It is found by every name it has, and payments go there.
	for _, name := range []string{str(made["destinationId"]), str(made["id"]), strings.ToLower(str(made["id"])), "base:" + p.wallet.Address() + ":" + w.Chain.USDC(),
		strings.Replace(str(made["destinationId"]), to.String()[strings.Index(to.String(), "#"):strings.LastIndex(to.String(), ":")], "", 1)} {
		holds(t, name, w.API(http.MethodGet, destinationPath(name), "").Want(http.StatusOK).JSON(), want)
	}
	holds(t, "of the wallet", w.API(http.MethodGet, destinationsV2+"?walletAddress="+p.wallet.Address(), "").Want(http.StatusOK).JSON(), want)
	if r := w.API(http.MethodGet, destinationsV2+"?walletAddress="+w.Chain.Other.Address(), "").Want(http.StatusOK); strings.TrimSpace(string(r.Body)) != "null" {
		t.Errorf("of another wallet: %s", r.Body)
	}
	paid := w.Load(w.Create(`{"requests":[{"amount":"5"}]}`)).Terms.Requests[0]
	if paid.Payee != to.Wallet || paid.Asset != "USDC-base" {
		t.Errorf("paid to %s in %s", paid.Payee, paid.Asset)
	}

	// The same again is the same; another token of the wallet takes its place.
	holds(t, "again", p.add(w.Chain.USDC()).Want(http.StatusCreated).JSON(), map[string]any{"id": made["id"]})
	second := p.add(w.Chain.USDT()).Want(http.StatusCreated).JSON()
	holds(t, "replaced", w.API(http.MethodGet, destinationPath(made["id"]), "").Want(http.StatusOK).JSON(), map[string]any{"active": false})

	// And it ends by a signature that says so.
	path := destinationPath(second["destinationId"])
	gone := w.API(http.MethodDelete, path, p.sign("deactivate", w.Chain.USDT())).Want(http.StatusOK).JSON()
	holds(t, "gone", gone, map[string]any{"id": second["id"], "active": false})
	holds(t, "gone", w.API(http.MethodGet, path, "").Want(http.StatusOK).JSON(), map[string]any{"active": false})
	if r := w.API(http.MethodGet, destinationsV2+"?walletAddress="+p.wallet.Address(), ""); strings.TrimSpace(string(r.Body)) != "null" {
		t.Errorf("afterwards: %s", r.Body)
	}
}

func TestDestinationProofsThatAreRefused(t *testing.T) {
	w := webtest.New(t)
	key := []string{"X-Api-Key: " + w.APIKey}
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: key}
	other := []string{"X-Api-Key: " + w.AddMerchant("Other")}
	usdc := w.Chain.USDC()

	for query, field := range map[string]string{
		"": "action", "action=take": "action", "action=add": "walletAddress", "action=add&walletAddress=0x1": "walletAddress",
		"action=add&walletAddress=0x0000000000000000000000000000000000000000":                  "walletAddress",
		"action=add&walletAddress=TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t":                          "walletAddress",
		"action=add&walletAddress=" + payee:                                                    "chainId",
		"action=add&walletAddress=" + payee + "&chainId=1":                                     "chainId",
		"action=add&walletAddress=" + payee + "&chainId=-1":                                    "chainId",
		"action=add&walletAddress=" + payee + "&chainId=99999999999999999999":                  "chainId",
		"action=add&walletAddress=" + payee + "&chainId=900008453":                             "tokenAddress",
		"action=add&walletAddress=" + payee + "&chainId=900008453&tokenAddress=" + payee:       "tokenAddress",
		"action=deactivate&walletAddress=" + payee + "&chainId=900008453&tokenAddress=" + usdc: "tokenAddress",
	} {
		refuses(t, "signing data "+query, w.Do(http.MethodGet, destinationsV2+"/signing-data?"+query, "", key...), http.StatusBadRequest, "", field)
	}

	digest := func() (sum [32]byte, nonce string) {
		r := p.ask("add", usdc).Want(http.StatusOK)
		return typedDigest(t, r.Body), str(r.JSON()["nonce"])
	}
	sum, nonce := digest()
	good := sign(p.wallet, sum)
	for what, tt := range map[string]struct{ body, field string }{
		"no signature":         {fmt.Sprintf(`{"nonce":%q}`, nonce), "signature"},
		"no nonce":             {fmt.Sprintf(`{"signature":%q}`, good), "nonce"},
		"a short signature":    {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, good[:130]), "signature"},
		"no hexadecimal":       {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, "0x"+strings.Repeat("zz", 65)), "signature"},
		"no 0x":                {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, good[2:]+"00"), "signature"},
		"a huge signature":     {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, "0x"+strings.Repeat("00", 5000)), "signature"},
		"zeros":                {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, "0x"+strings.Repeat("00", 65)), "signature"},
		"another wallet's":     {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, sign(w.Chain.Other, sum)), "signature"},
		"another digest":       {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, nonce, sign(p.wallet, [32]byte{1})), "signature"},
		"an unknown nonce":     {fmt.Sprintf(`{"nonce":%q,"signature":%q}`, "NOSUCHNONCE", good), "nonce"},
		"a nonce of no text":   {fmt.Sprintf(`{"nonce":"\u0000","signature":%q}`, good), "nonce"},
		"a nonce of two words": {fmt.Sprintf(`{"nonce":"a b' OR 1=1 --","signature":%q}`, good), "nonce"},
	} {
		refuses(t, what, w.API(http.MethodPost, destinationsV2, tt.body), http.StatusBadRequest, "", tt.field)
	}
	body := fmt.Sprintf(`{"signature":%q,"nonce":%q}`, good, nonce)
	refuses(t, "another merchant's nonce", w.Do(http.MethodPost, destinationsV2, body, other...), http.StatusBadRequest, "", "nonce")
	if len(p.stored()) != 0 {
		t.Errorf("what was refused left %v", p.stored())
	}
	made := w.API(http.MethodPost, destinationsV2, body).Want(http.StatusCreated).JSON() // a refused attempt does not use it up

	// What was signed for one thing does nothing else.
	path := destinationPath(made["destinationId"])
	failed := "Destination not found or validation failed"
	refuses(t, "a signature to add", w.API(http.MethodDelete, path, p.sign("add", w.Chain.USDT())), http.StatusBadRequest, failed, "nonce")
	refuses(t, "a signature to deactivate", w.API(http.MethodPost, destinationsV2, p.sign("deactivate", usdc)), http.StatusBadRequest, "", "nonce")
	refuses(t, "no signature", w.API(http.MethodDelete, path, `{}`), http.StatusBadRequest, "", "signature")
	refuses(t, "another's signature", w.API(http.MethodDelete, path, fmt.Sprintf(`{"signature":%q,"nonce":%q}`, sign(w.Chain.Other, [32]byte{2}), str(p.ask("deactivate", usdc).JSON()["nonce"]))),
		http.StatusBadRequest, failed, "signature")
	otherWallet := proving{World: w, t: t, wallet: w.Chain.Other, as: key}
	otherWallet.add(usdc).Want(http.StatusCreated)
	refuses(t, "for another destination", w.API(http.MethodDelete, path, otherWallet.sign("deactivate", usdc)), http.StatusBadRequest, failed, "nonce")

	// Another merchant sees none of it.
	refuses(t, "another merchant's destination", w.Do(http.MethodGet, path, "", other...), http.StatusNotFound, "Destination not found", "")
	refuses(t, "another merchant's destination by id", w.Do(http.MethodGet, destinationPath(made["id"]), "", other...), http.StatusNotFound, "Destination not found", "")
	refuses(t, "deleting another merchant's", w.Do(http.MethodDelete, path, p.sign("deactivate", usdc), other...), http.StatusNotFound, "Destination not found", "")
	if r := w.Do(http.MethodGet, destinationsV2+"?walletAddress="+p.wallet.Address(), "", other...).Want(http.StatusOK); strings.TrimSpace(string(r.Body)) != "null" {
		t.Errorf("another merchant's: %s", r.Body)
	}
	for _, id := range []string{"x", "0x@eip155:1#:0x", "base:x:y", "%00", strings.Repeat("a", 5000)} {
		r := w.API(http.MethodGet, destinationsV2+"/"+url.PathEscape(id), "")
		refuses(t, "an id like "+start(id), r, http.StatusBadRequest, "", "destinationId")
		if !strings.HasPrefix(str(r.JSON()["message"]), "Invalid destination ID format") {
			t.Errorf("%s: %s", start(id), r.Body)
		}
	}
	active := 0
	for _, x := range p.stored() {
		if x.Active {
			active++
		}
	}
	if active != 2 {
		t.Errorf("%d are active afterwards, want 2", active)
	}
}

// Of many who send the same signature one gets the destination, and what was
// signed cannot be sent again by anybody.
func TestDestinationProofIsUsedOnce(t *testing.T) {
	w := webtest.New(t)
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: []string{"X-Api-Key: " + w.APIKey}}
	body := p.sign("add", w.Chain.USDC())
	var made, refused atomic.Int32
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			switch r := w.API(http.MethodPost, destinationsV2, body); r.Status {
			case http.StatusCreated:
				made.Add(1)
			case http.StatusBadRequest:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 || refused.Load() != 11 || len(p.stored()) != 1 {
		t.Errorf("%d were made and %d refused; %d are stored", made.Load(), refused.Load(), len(p.stored()))
	}
	// With an idempotency key the repeat gets the first answer.
	body = p.sign("add", w.Chain.USDT())
	first := w.API(http.MethodPost, destinationsV2, body, "Idempotency-Key: k").Want(http.StatusCreated)
	again := w.API(http.MethodPost, destinationsV2, body, "Idempotency-Key: k").Want(http.StatusCreated)
	if string(first.Body) != string(again.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat got %s", again.Body)
	}
}

// A wallet that may be a contract on a chain that does not answer proves nothing,
// and loses nothing: the same is taken once the chain is back.
func TestDestinationWhileTheChainIsDown(t *testing.T) {
	chain := chaintest.New(t, chaintest.WithID(900008453))
	w := webtest.NewWith(t, webtest.Options{Chain: chain})
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: []string{"X-Api-Key: " + w.APIKey}}
	body := p.sign("add", w.Chain.USDC())
	chain.Fail(http.StatusBadGateway)
	if r := w.API(http.MethodPost, destinationsV2, body); r.Status != http.StatusServiceUnavailable {
		t.Errorf("while the chain is down: got %d: %s", r.Status, r.Body)
	}
	if len(p.stored()) != 0 {
		t.Errorf("stored %v", p.stored())
	}
	chain.Behave()
	w.Await("the chain to be asked again", func() bool { return w.API(http.MethodPost, destinationsV2, body).Status == http.StatusCreated })
}

// A client id is public: with it anybody could sign for a wallet of their own.
func TestDestinationsOfClientIDs(t *testing.T) {
	w := webtest.New(t)
	as := []string{addClientID(t, w, shop), "Origin: " + shop}
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: as}
	refuses(t, "a stranger's wallet", p.ask("add", w.Chain.USDC()), http.StatusForbidden, "", "walletAddress")
	// An API key's nonce does not help either.
	byKey := p
	byKey.as = []string{"X-Api-Key: " + w.APIKey}
	refuses(t, "with a key's nonce", w.Do(http.MethodPost, destinationsV2, byKey.sign("add", w.Chain.USDC()), as...), http.StatusForbidden, "", "walletAddress")
	if len(p.stored()) != 0 {
		t.Errorf("stored %v", p.stored())
	}
	if err := w.App.Store.AddWallet(t.Context(), merchant.Wallet{Address: account(t, p.wallet.Address()), Merchant: w.Merchant, CreatedAt: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	made := p.add(w.Chain.USDC()).Want(http.StatusCreated)
	if made.Header.Get("Access-Control-Allow-Origin") != shop {
		t.Error("the page cannot read the answer")
	}
	w.Do(http.MethodGet, destinationPath(made.JSON()["destinationId"]), "", as...).Want(http.StatusOK)
	w.Do(http.MethodDelete, destinationPath(made.JSON()["destinationId"]), p.sign("deactivate", w.Chain.USDC()), as...).Want(http.StatusOK)
	refuses(t, "without an origin", w.Do(http.MethodPost, destinationsV2, `{}`, as[0]), http.StatusForbidden, "Origin header is required", "")
	w.Do(http.MethodGet, destinationsV2+"?walletAddress="+payee, "").Want(http.StatusUnauthorized)
}

// The contract at the address of a merchant's contract may be somebody else's on
// another chain.
func TestClientIDsAddNoContractOfAnotherChain(t *testing.T) {
	w := webtest.New(t)
	as := []string{addClientID(t, w, shop), "Origin: " + shop}
	p := proving{World: w, t: t, wallet: w.Chain.Wallet, as: as}
	wallet, now := account(t, p.wallet.Address()), time.Now().UTC()
	if err := w.App.Store.AddWallet(t.Context(), merchant.Wallet{Address: wallet, Merchant: w.Merchant, Contract: asset.Base, CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	there := merchant.Destination{
		ID: payment.NewULID(now), Merchant: w.Merchant, To: asset.Destination{Wallet: wallet, Chain: asset.Base, Token: wallet},
		WalletType: merchant.Contract, Active: true, CreatedAt: now,
	}
	if err := w.App.Store.InsertDestination(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	refuses(t, "on another chain", p.ask("add", w.Chain.USDC()), http.StatusForbidden, "", "walletAddress")
	there.WalletType, there.ID, there.To.Token = merchant.EOA, payment.NewULID(now), asset.Address{1}
	if err := w.App.Store.InsertDestination(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	p.add(w.Chain.USDC()).Want(http.StatusCreated) // a key is the same on all chains
}

// magic is a contract that accepts every signature: it returns the answer that
// EIP-1271 wants to whatever it is asked.
var magic = []byte{0x63, 0x16, 0x26, 0xba, 0x7e, 0x60, 0xe0, 0x1b, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3}

func TestDestinationOfAContract(t *testing.T) {
	const safe, delegated = "0x00000000000000000000000000000000005afe01", "0x00000000000000000000000000000000007702ee"
	delegation, err := hex.DecodeString("ef0100" + strings.Repeat("ab", 20))
	if err != nil {
		t.Fatal(err)
	}
	chain := chaintest.New(t, chaintest.WithID(900008453), chaintest.WithCode(safe, magic, nil), chaintest.WithCode(delegated, delegation, nil))
	w := webtest.NewWith(t, webtest.Options{Chain: chain})
	q := url.Values{"walletAddress": {safe}, "action": {"add"}, "tokenAddress": {w.Chain.USDC()}, "chainId": {"900008453"}}
	nonce := w.API(http.MethodGet, destinationsV2+"/signing-data?"+q.Encode(), "").Want(http.StatusOK).JSON()["nonce"]
	made := w.API(http.MethodPost, destinationsV2, fmt.Sprintf(`{"nonce":%q,"signature":"0x%s"}`, nonce, strings.Repeat("5a", 195))).Want(http.StatusCreated).JSON()
	holds(t, "made", made, map[string]any{"walletType": "safe", "walletAddress": account(t, safe).String()})

	// An account that delegates is still an account.
	signedIn := bearer(t, w, w.Merchant, delegated)
	holds(t, "delegated", w.Do(http.MethodPost, destinationsV1, own(w.Chain.USDC()), signedIn).Want(http.StatusCreated).JSON(), map[string]any{"walletType": "eoa"})
}

func own(token string) string { return fmt.Sprintf(`{"tokenAddress":%q,"chainId":900008453}`, token) }

func TestDestinationBySession(t *testing.T) {
	w := webtest.New(t)
	as := bearer(t, w, w.Merchant, payee)
	call := func(method, path, body string) webtest.Response {
		t.Helper()
		return w.Do(method, destinationsV1+path, body, as)
	}
	if r := call(http.MethodGet, "", "").Want(http.StatusOK); strings.TrimSpace(string(r.Body)) != "null" {
		t.Errorf("at first: %s", r.Body)
	}
	refuses(t, "moving nothing", call(http.MethodPut, "", own(w.Chain.USDT())), http.StatusNotFound, "No active payee destination found", "")
	made := call(http.MethodPost, "", `{"walletAddress":"`+payee+`","tokenAddress":"`+w.Chain.USDC()+`","chainId":900008453,
		"accessPolicy":{"mode":"off","allowedPayerAddresses":["`+feeAddress+`"],"hidePayeeAddress":true}}`).Want(http.StatusCreated).JSON()
	holds(t, "made", made, map[string]any{"walletAddress": payee, "walletType": "eoa", "active": true, "claimed": true, "pendingWalletChange": nil})
	policy, _ := made["accessPolicy"].(map[string]any)
	holds(t, "policy", policy, map[string]any{"mode": "off", "allowedPayerAddresses": []any{feeAddress}, "hidePayeeAddress": true})
	id := str(made["destinationId"])

	// Who may pay is not for everybody who can read a page.
	page := []string{addClientID(t, w, shop), "Origin: " + shop}
	for _, path := range []string{"?walletAddress=" + payee, "/" + url.PathEscape(id)} {
		holds(t, "with a client id", w.Do(http.MethodGet, destinationsV2+path, "", page...).Want(http.StatusOK).JSON(), map[string]any{"id": made["id"], "accessPolicy": nil})
	}

	// A client id that is bound to it follows it to another token.
	client := w.Do(http.MethodPost, "/v1/client-ids", `{"label":"b","payeeDestinationId":"`+id+`"}`, as).Want(http.StatusCreated).JSON()
	moved := call(http.MethodPut, "", own(w.Chain.USDT())).Want(http.StatusOK).JSON()
	holds(t, "moved", moved, map[string]any{"id": made["id"], "tokenAddress": w.Chain.USDT(), "active": true})
	if p, _ := moved["accessPolicy"].(map[string]any); p["hidePayeeAddress"] != true {
		t.Errorf("the policy that was not mentioned is gone: %v", moved["accessPolicy"])
	}
	holds(t, "bound", w.API(http.MethodGet, clientIDs+"/"+str(client["id"]), "").JSON(), map[string]any{"payeeDestinationId": moved["destinationId"]})
	// It follows a replacement too.
	replaced := call(http.MethodPost, "", own(w.Chain.USDC())).Want(http.StatusCreated).JSON()
	holds(t, "bound after a replacement", w.API(http.MethodGet, clientIDs+"/"+str(client["id"]), "").JSON(), map[string]any{"payeeDestinationId": replaced["destinationId"]})
	paid := w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}]}`, "X-Client-Id: "+str(client["clientId"])).Want(http.StatusCreated).JSON()
	if got := w.Load(str(paid["token"])).Terms.Requests[0].Asset; got != "USDC-base" {
		t.Errorf("paid in %s", got)
	}

	holds(t, "mine", call(http.MethodGet, "", "").Want(http.StatusOK).JSON(), map[string]any{"id": replaced["id"]})
	holds(t, "looked up", call(http.MethodGet, "/lookup?destinationId="+url.QueryEscape(id), "").Want(http.StatusOK).JSON(), map[string]any{"id": replaced["id"]})
	holds(t, "of a wallet", call(http.MethodGet, "/payout-lookup?walletAddress="+payee+"&chainId=900008453", "").Want(http.StatusOK).JSON(), map[string]any{"id": replaced["id"]})
	refuses(t, "without an id", call(http.MethodGet, "/lookup", ""), http.StatusBadRequest, "", "destinationId")
	refuses(t, "without a wallet", call(http.MethodGet, "/payout-lookup", ""), http.StatusBadRequest, "", "walletAddress")
	refuses(t, "no wallet change", call(http.MethodPatch, "/wallet-change/cancel", ""), http.StatusNotFound, "No pending wallet change found", "")

	refuses(t, "deactivating nothing", call(http.MethodPatch, "/deactivate", `{}`), http.StatusBadRequest, "", "destinationId")
	if got := call(http.MethodPatch, "/deactivate", fmt.Sprintf(`{"destinationId":%q}`, id)).Want(http.StatusOK).Body; string(got) != `{"success":true,"message":"Payee destination deactivated successfully"}` {
		t.Errorf("deactivated: %s", got)
	}
	refuses(t, "again", call(http.MethodPatch, "/deactivate", fmt.Sprintf(`{"destinationId":%q}`, id)), http.StatusNotFound, "No active payee destination found", "")
	w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}]}`, "X-Client-Id: "+str(client["clientId"])).Want(http.StatusForbidden)
}

func TestDestinationSessionsThatAreRefused(t *testing.T) {
	w := webtest.New(t)
	as := bearer(t, w, w.Merchant, payee)
	for body, field := range map[string]string{
		`{}`: "tokenAddress", `{"tokenAddress":"` + w.Chain.USDC() + `"}`: "chainId", `{"chainId":900008453}`: "tokenAddress",
		`{"tokenAddress":"x","chainId":900008453}`: "tokenAddress", `{"tokenAddress":"` + payee + `","chainId":900008453}`: "tokenAddress",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":1}`: "chainId", `{"tokenAddress":"` + w.Chain.USDC() + `","chainId":"900008453"}`: "chainId",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":-1}`: "chainId", `{"tokenAddress":"` + w.Chain.USDC() + `","chainId":728126428}`: "chainId",
		`{"tokenAddress":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","chainId":900008453}`:                                        "tokenAddress",
		`{"walletAddress":"x","tokenAddress":"` + w.Chain.USDC() + `","chainId":900008453}`:                                "walletAddress",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":900008453,"accessPolicy":{"mode":"all"}}`:                      "accessPolicy.mode",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":900008453,"accessPolicy":{"allowedPayers":[]}}`:                "accessPolicy",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":900008453,"accessPolicy":{"allowedPayerAddresses":["0x1"]}}`:   "accessPolicy.allowedPayerAddresses[0]",
		`{"tokenAddress":"` + w.Chain.USDC() + `","chainId":900008453,"accessPolicy":{"screeningProvider":"hypernative"}}`: "accessPolicy.screeningProvider",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			refuses(t, method+" "+body, w.Do(method, destinationsV1, body, as), http.StatusBadRequest, "", field)
		}
	}
	refuses(t, "somebody else's wallet", w.Do(http.MethodPost, destinationsV1, `{"walletAddress":"`+feeAddress+`","tokenAddress":"`+w.Chain.USDC()+`","chainId":900008453}`, as),
		http.StatusForbidden, "", "walletAddress")
	if all, err := w.App.Store.Destinations(t.Context(), w.Merchant); err != nil || len(all) != 0 {
		t.Errorf("what was refused left %v, %v", all, err)
	}
	for _, x := range [][2]string{{http.MethodPost, ""}, {http.MethodPut, ""}, {http.MethodGet, ""}, {http.MethodGet, "/lookup"}, {http.MethodGet, "/payout-lookup"},
		{http.MethodPatch, "/deactivate"}, {http.MethodPatch, "/wallet-change/cancel"}} {
		refuses(t, "with a key: "+x[0]+x[1], w.API(x[0], destinationsV1+x[1], ""), http.StatusForbidden, "Forbidden - wallet session required", "")
		if r := w.Do(x[0], destinationsV1+x[1], ""); r.Status != http.StatusUnauthorized {
			t.Errorf("without anything: %s%s: got %d", x[0], x[1], r.Status)
		}
	}
	// Another merchant's session finds nothing of it.
	made := w.Do(http.MethodPost, destinationsV1, own(w.Chain.USDC()), as).Want(http.StatusCreated).JSON()
	other := merchant.Merchant{Name: "Other"}
	w.AddMerchantWith(other)
	all, err := w.App.Store.Merchants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stranger payment.MerchantID
	for _, m := range all {
		if m.Name == "Other" {
			stranger = m.ID
		}
	}
	foreign := bearer(t, w, stranger, feeAddress)
	refuses(t, "another's look-up", w.Do(http.MethodGet, destinationsV1+"/lookup?destinationId="+url.QueryEscape(str(made["destinationId"])), "", foreign), http.StatusNotFound, "Destination not found", "")
	refuses(t, "another's deactivation", w.Do(http.MethodPatch, destinationsV1+"/deactivate", fmt.Sprintf(`{"destinationId":%q}`, made["id"]), foreign), http.StatusNotFound, "No active payee destination found", "")
}
