package request_test

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
	"quittance/web/webtest"
)

const usdcWay = "evmref:base:USDC-base"

// accountOf is a wallet's smart account, of the kind that is preferred.
func accountOf(owner asset.Address) string {
	return userop.At(asset.SandboxBase).Kinds(asset.SandboxBase)[0].Account(asset.SandboxBase, owner).Address.String()
}

// What goes with no smart account is refused by its name, for display and calldata
// alike.
func TestAccountParameters(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Safes: true, Gasless: &webtest.Gasless{}})
	usdc, cheap := w.CreatePayment("10"), w.CreatePayment("1")
	native := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"ETH-base","amount":"0.1"}]}`, payee))
	mixed := w.Create(batchOf("", payee+" USDC-base 1", otherPayee+" USDT-base 2"))
	coins := w.Create(batchOf("", payee+" USDC-base 1", otherPayee+" ETH-base 0.1"))
	eoa := useroptest.NewWallet(t, "a").Address()
	other := useroptest.NewWallet(t, "b").Address()
	account, others := accountOf(eoa), accountOf(other)
	both := func(wallet, owner string) string { return "wallet=" + wallet + "&eoaWallet=" + owner }
	mine := both(account, eoa.String())
	const zero = "0x0000000000000000000000000000000000000000"
	const reason = "Invalid secure payment calldata request: "
	for _, c := range []struct{ token, query, want, message string }{
		{usdc, "eoaWallet=" + eoa.String(), "wallet missing_wallet", reason + "wallet is required with eoaWallet: it is the smart account."},
		{usdc, "wallet=&eoaWallet=" + eoa.String(), "wallet missing_wallet", ""},
		{usdc, both(account, "0x12"), "eoaWallet invalid_wallet", ""},
		{usdc, both(account, zero), "eoaWallet invalid_wallet", reason + "eoaWallet is the zero address, which owns nothing."},
		{usdc, both(account, tronWallet), "eoaWallet invalid_wallet", ""},
		{usdc, both(account, "vitalik.eth"), "eoaWallet invalid_wallet", ""},
		{usdc, both(account, wrongCase(eoa)), "eoaWallet invalid_wallet", ""},
		{usdc, both(wrongCase(eoa), eoa.String()), "wallet invalid_wallet", ""},
		{usdc, both("0x12", eoa.String()), "wallet invalid_wallet", ""},
		{usdc, both(tronWallet, eoa.String()), "wallet invalid_wallet", ""},
		{usdc, both(zero, eoa.String()), "wallet invalid_wallet", ""},
		{usdc, mine + "&isSafe=true", "eoaWallet safe_with_eoa_wallet", reason + "isSafe and eoaWallet exclude each other: a Safe pays by itself."},
		{usdc, mine + "&isSafe=1", "isSafe invalid_is_safe", ""},
		{usdc, both(eoa.String(), eoa.String()), "wallet not_the_account", ""},
		{usdc, both(others, eoa.String()), "wallet not_the_account", ""},
		{usdc, both(account, other.String()), "wallet not_the_account", ""},
		{usdc, both(account, account), "wallet not_the_account", ""},
		{usdc, both(w.Chain.USDC(), eoa.String()), "wallet not_the_account", ""},
		{usdc, both(others, eoa.String()) + "&chain=BASE&token=USDC", "wallet not_the_account", ""},
		{usdc, both(others, eoa.String()) + "&chain=BASE&token=USDT", "wallet not_the_account", ""},
		{usdc, both(others, eoa.String()) + "&chain=ARBITRUM&token=USDC", "wallet not_the_account", ""},
		{usdc, mine + "&chain=ARBITRUM", "token missing_token", ""},
		{usdc, mine + "&token=USDC", "chain missing_chain", ""},
		{usdc, mine + "&chain=MARS&token=USDC", "chain unknown_chain", ""},
		{usdc, mine + "&chain=TRON&token=USDT", "chain tron_unsupported", ""},
		{usdc, mine + "&chain=ARBITRUM&token=EURC", "token unsupported_token", ""},
		{usdc, mine + "&chain=ARBITRUM&token=ETH", "token unsupported_route", ""},
		{usdc, mine + "&chain=BASE&token=ETH", "token unsupported_route", ""},
		{cheap, mine + "&chain=ARBITRUM&token=USDC", "chain amount_too_small", ""},
		{native, mine, "eoaWallet gasless_native", ""},
		{native, mine + "&chain=BASE&token=ETH", "eoaWallet gasless_native", ""},
		{native, mine + "&chain=BASE&token=USDC", "token unsupported_route", ""},
		{coins, mine, "eoaWallet gasless_native", ""},
		{mixed, mine, "eoaWallet gasless_assets", ""},
	} {
		for _, path := range []string{"?", "/pay?"} {
			got := w.API(http.MethodGet, route+"/"+c.token+path+c.query, "").Want(http.StatusBadRequest).JSON()
			if s := fmt.Sprint(got["field"], " ", got["code"]); s != c.want || str(got["message"]) == "" || c.message != "" && got["message"] != c.message {
				t.Errorf("%s%s: got %s, %v, want %s", path, c.query, s, got["message"], c.want)
			}
		}
	}
	// An empty eoaWallet is none, as an empty wallet is.
	w.API(http.MethodGet, route+"/"+usdc+"/pay?wallet="+eoa.String()+"&eoaWallet=", "").Want(http.StatusOK)
}

// wrongCase is an address with another checksum than its own.
func wrongCase(a asset.Address) string {
	text := a.String()
	i := 2 + strings.IndexFunc(text[2:], func(r rune) bool { return r >= 'a' && r <= 'f' })
	return text[:i] + strings.ToUpper(text[i:i+1]) + text[i+1:]
}

// A server where nobody pays for gas says so, to whoever may see the payment.
func TestGaslessSwitchedOff(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	eoa := useroptest.NewWallet(t, "a").Address()
	query := "wallet=" + accountOf(eoa) + "&eoaWallet=" + eoa.String()
	at := route + "/" + w.CreatePayment("10")
	for _, more := range []string{"", "&chain=BASE&token=USDC", "&chain=ARBITRUM&token=USDC"} {
		for _, path := range []string{"?", "/pay?"} {
			got := w.API(http.MethodGet, at+path+query+more, "")
			refuses(t, path+more, got, http.StatusBadRequest, "Paying without gas is not supported on this network.", "eoaWallet")
			if got.JSON()["code"] != "gasless_unsupported" {
				t.Errorf("%s%s: %s", path, more, got.Body)
			}
		}
	}
	hidden := route + "/" + w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q],"hideUntilApproved":true}`, payee)))
	got := w.API(http.MethodGet, hidden+"?"+query, "").Want(http.StatusOK)
	if keysOf(got.JSON()) != "accessDecision branding paymentType status" {
		t.Errorf("a stranger: %s", got.Body)
	}
}

// members lists the names in an answer, with those of objects in it.
func members(prefix string, v any) (names []string) {
	for name, x := range object(v) {
		names = append(names, prefix+name)
		names = append(names, members(prefix+name+".", x)...)
	}
	slices.Sort(names)
	return names
}

// The calls are the account's, whatever it was allowed before, and the balances and
// allowances its owner's; the answer has no other members than anybody's.
func TestCalldataOfAnAccount(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Gasless: &webtest.Gasless{}})
	single := w.CreatePayment("10")
	several := w.Create(batchOf("", payee+" USDC-base 5", otherPayee+" USDC-base 7"))
	s := w.Saver("rich", single, usdcWay, w.Chain.USDC(), 50_000_000)
	second := w.SaverOfSecond("rich", single, usdcWay, w.Second.USDC(), 60_000_000)
	eoa, account := s.Address(), accountOf(s.Address())
	if second.Address() != eoa {
		t.Fatalf("two wallets of a name: %s, %s", eoa, second.Address())
	}
	as := "wallet=" + account + "&eoaWallet=" + eoa.String()
	for name, c := range map[string]struct {
		token, query    string
		chain           asset.ChainID
		balance, needed string
		stack           *useroptest.Stack
		contract        string
	}{
		"the payment's own": {single, "", asset.SandboxBase, "50000000", "10000000", w.Gas, w.Chain.USDC()},
		"named as its own":  {single, "&chain=BASE&token=USDC", asset.SandboxBase, "50000000", "10000000", w.Gas, w.Chain.USDC()},
		"several requests":  {several, "", asset.SandboxBase, "50000000", "", w.Gas, w.Chain.USDC()},
		"from elsewhere":    {single, "&chain=ARBITRUM&token=USDC", asset.SandboxArbitrum, "60000000", "", w.GasSecond, w.Second.USDC()},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.For(t)
			at := route + "/" + c.token + "/pay?"
			ask := func() map[string]any { return w.API(http.MethodGet, at+as+c.query, "").Want(http.StatusOK).JSON() }
			got := ask()
			meta := object(got["metadata"])
			holds(t, "metadata", meta, map[string]any{
				"hasEnoughBalance": true, "hasEnoughGas": true, "hasEnoughAllowance": false, "balanceUnits": c.balance, "allowance": "0", "nativeRequiredUnits": "0",
				"needsApproval": true, "chainId": float64(c.chain),
			})
			if c.needed != "" {
				holds(t, "metadata", meta, map[string]any{"requiredUnits": c.needed, "stepsRequired": 2, "paymentTransactionIndex": 1, "approvalTransactionIndex": 0})
			}
			for _, x := range items(got["checks"]) {
				if object(x)["outcome"] != "passed" {
					t.Errorf("check: %v", x)
				}
			}
			// A wallet that has it all and allowed nothing gets the same members, and on the
			// payment's chain the same calls.
			holder := w.API(http.MethodGet, at+"wallet="+w.Chain.Wallet.Address()+c.query, "").Want(http.StatusOK).JSON()
			if a, b := members("", got), members("", holder); name != "from elsewhere" && !slices.Equal(a, b) {
				t.Errorf("members:\n%v\nof a wallet:\n%v", a, b)
			}
			if name != "from elsewhere" && fmt.Sprint(got["transactions"], got["batchPaymentTransaction"]) != fmt.Sprint(holder["transactions"], holder["batchPaymentTransaction"]) {
				t.Errorf("calls:\n%v\nof a wallet:\n%v", got, holder)
			}
			// What the account may take of its owner is the allowance, and changes no call.
			c.stack.Approve(s.Wallet, address(t, c.contract), address(t, account), big.NewInt(40_000_000))
			after := ask()
			holds(t, "approved", object(after["metadata"]), map[string]any{"hasEnoughAllowance": true, "allowance": "40", "stepsRequired": meta["stepsRequired"], "needsApproval": true, "hasEnoughGas": true})
			c.stack.Approve(s.Wallet, address(t, c.contract), address(t, account), new(big.Int))
		})
	}
	// What there is to choose among is the owner's, too.
	shown := options(w.API(http.MethodGet, route+"/"+single+"?"+as, "").Want(http.StatusOK).JSON())
	holds(t, "here", shown["BASE USDC"], map[string]any{"balanceUnits": "50000000", "hasEnoughBalance": true, "neededUnits": "10000000"})
	holds(t, "there", shown["ARBITRUM USDC"], map[string]any{"balanceUnits": "60000000", "hasEnoughBalance": true, "routeType": "crosschain"})
	holds(t, "a token it has not", shown["BASE USDT"], map[string]any{"balanceUnits": "0", "hasEnoughBalance": false})

	poor := useroptest.NewWallet(t, "poor").Address()
	lacks := object(w.API(http.MethodGet, route+"/"+single+"/pay?wallet="+accountOf(poor)+"&eoaWallet="+poor.String(), "").Want(http.StatusOK).JSON()["metadata"])
	holds(t, "who has nothing", lacks, map[string]any{"hasEnoughBalance": false, "hasEnoughGas": true, "balance": "0", "nativeBalance": "0"})
}

// Who may pay is asked of the wallet that somebody holds, never of the account in front
// of it, which anybody could have made for himself.
func TestAccountsOfARestrictedPayment(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{}})
	hooks := receiver(t, w)
	friend, other := useroptest.NewWallet(t, "friend").Address(), useroptest.NewWallet(t, "other").Address()
	query := func(owner asset.Address) string {
		return "wallet=" + accountOf(owner) + "&eoaWallet=" + owner.String()
	}
	listed := route + "/" + w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q],"hideUntilApproved":true}`, friend)))
	w.API(http.MethodGet, listed+"/pay?"+query(friend), "").Want(http.StatusOK)
	shown := w.API(http.MethodGet, listed+"?"+query(friend), "").Want(http.StatusOK).JSON()
	holds(t, "a friend", object(shown["accessDecision"]), map[string]any{"status": "approved"})
	if shown["paymentOptions"] == nil {
		t.Errorf("a friend: %v", shown)
	}

	account := route + "/" + w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q],"hideUntilApproved":true}`, accountOf(other))))
	for at, owner := range map[string]asset.Address{listed: other, account: other} {
		for _, more := range []string{"", "&chain=BASE&token=USDC"} {
			got := w.API(http.MethodGet, at+"/pay?"+query(owner)+more, "")
			refuses(t, at+more, got, http.StatusForbidden, "This wallet may not make this payment.", "eoaWallet")
			if got.JSON()["code"] != "wallet_not_allowed" {
				t.Errorf("%s: %s", at, got.Body)
			}
		}
		if got := w.API(http.MethodGet, at+"?"+query(owner), "").Want(http.StatusOK).JSON(); keysOf(got) != "accessDecision branding paymentType status" {
			t.Errorf("a stranger: %v", got)
		}
	}
	// Whoever is not let in does not learn whether the account is the wallet's.
	wrong := w.API(http.MethodGet, listed+"/pay?wallet="+accountOf(friend)+"&eoaWallet="+other.String(), "")
	refuses(t, "another's account", wrong, http.StatusForbidden, "", "eoaWallet")
	told := delivered(t, w, hooks, "secure_payment.access_rejected")
	holds(t, "webhook", told, map[string]any{"attemptedPayerWalletAddress": other.Lower()})
}

// The section of the vendor's page on smart accounts: there is no API of their own, the
// same endpoint has the calldata, to either credential and with the same statuses.
func TestSmartAccountsAsDocumented(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{}})
	token := w.CreatePayment("10")
	s := w.Saver("saver", token, usdcWay, w.Chain.USDC(), 10_000_000)
	query := "/pay?wallet=" + accountOf(s.Address()) + "&eoaWallet=" + s.Address().String()
	id, from := addClientID(t, w, shop), "Origin: "+shop
	for _, who := range [][]string{{"X-Api-Key: " + w.APIKey}, {id, from}, {id}} {
		w.Do(http.MethodGet, route+"/"+token+query, "", who...).Want(http.StatusOK)
	}
	w.Do(http.MethodGet, route+"/"+token+query, "").Want(http.StatusUnauthorized)
	w.Do(http.MethodGet, route+"/"+token+query, "", id, "Origin: https://evil.example").Want(http.StatusForbidden)

	over := w.CreateEnding(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":%q}`)
	w.AwaitState(over, payment.Expired)
	s.Pay()
	w.Chain.Mine(webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	for at, want := range map[string]struct {
		status  int
		message string
	}{
		token:                        {http.StatusConflict, "Secure payment has already been completed"},
		over:                         {http.StatusForbidden, "Secure payment token expired or invalid status"},
		"01JZX7T6Q0V6WJ9N3B5H2R8C4D": {http.StatusNotFound, "Secure payment not found"},
	} {
		if got := w.API(http.MethodGet, route+"/"+at+query, "").Want(want.status).JSON(); got["message"] != want.message {
			t.Errorf("%d: %v", want.status, got)
		}
	}
}

// A route of an account is stamped anew for whoever says whose account it is: what a
// bridge gives back goes to the owner, so without him the step looks like a theft.
func TestStepOfAnAccount(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Gasless: &webtest.Gasless{}})
	hooks := receiver(t, w)
	friend, other := useroptest.NewWallet(t, "friend").Address(), useroptest.NewWallet(t, "other").Address()
	token := w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q]}`, friend)))
	at := route + "/" + token
	for _, from := range []string{"&chain=ARBITRUM&token=USDC", "&chain=ARBITRUM&token=USDT", "&chain=BASE&token=USDT"} {
		calls := w.API(http.MethodGet, at+"/pay?wallet="+accountOf(friend)+"&eoaWallet="+friend.String()+from, "").Want(http.StatusOK).JSON()
		step, last := stepOf(t, calls), object(items(calls["transactions"])[int(object(calls["metadata"])["stepsRequired"].(float64))-1])
		if from == "&chain=BASE&token=USDT" {
			last = object(items(calls["transactions"])[int(object(calls["metadata"])["swapTransactionIndex"].(float64))])
		}
		again := object(w.API(http.MethodPost, at+refreshPath+"?eoaWallet="+friend.String(), step).Want(http.StatusOK).JSON()["transactionRequest"])
		holds(t, from, again, map[string]any{"to": last["to"], "from": accountOf(friend), "chainId": object(calls["metadata"])["chainId"]})
		if from != "&chain=BASE&token=USDT" && strings.Count(str(again["data"]), friend.Lower()[2:]) != strings.Count(str(last["data"]), friend.Lower()[2:]) {
			t.Errorf("%s: what goes back goes elsewhere", from)
		}
		for query, want := range map[string]struct {
			status      int
			field, code string
		}{
			"?eoaWallet=" + other.String(): {http.StatusForbidden, "eoaWallet", "wallet_not_allowed"},
			"?eoaWallet=0x12":              {http.StatusBadRequest, "eoaWallet", "invalid_wallet"},
			"":                             {http.StatusForbidden, "wallet", "wallet_not_allowed"},
		} {
			got := w.API(http.MethodPost, at+refreshPath+query, step)
			refuses(t, from+query, got, want.status, "", want.field)
			if got.JSON()["code"] != want.code {
				t.Errorf("%s%s: %s", from, query, got.Body)
			}
		}
		theirs := strings.ReplaceAll(step, accountOf(friend), accountOf(other))
		wrong := w.API(http.MethodPost, at+refreshPath+"?eoaWallet="+friend.String(), theirs)
		refuses(t, "another's account", wrong, http.StatusBadRequest, "", "step.action.fromAddress")
		if wrong.JSON()["code"] != "not_the_account" {
			t.Errorf("another's account: %s", wrong.Body)
		}
	}
	for _, d := range hooks.Received() {
		if strings.Contains(string(d.Body), "secure_payment.unsafe") {
			t.Errorf("an alarm: %s", d.Body)
		}
	}
}
