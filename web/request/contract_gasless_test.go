package request_test

import (
	"fmt"
	"net/http"

	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
	"quittance/web/webtest"
)

// accounts looks at payments that smart accounts make with their owners' money.
func (x *exchange) accounts() {
	x.t.Helper()
	other := useroptest.NewWallet(x.t, "other").Address().String()
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"12.25"}`, payee)
	for i, body := range []string{`{"requests":[` + item + `],"reference":"order-1003"}`, `{"requests":[` + item + `,` + item + `]}`} {
		token := x.api(http.StatusCreated, http.MethodPost, route, body).text("token")
		at := route + "/" + token
		way := usdcWay
		if i > 0 {
			way = "evmref:base:batch"
		}
		s := x.Saver(fmt.Sprint("contract", i), token, way, x.Chain.USDC(), 100_000_000)
		owner, account := s.Address().String(), accountOf(s.Address())
		for _, bad := range []string{"eoaWallet=" + owner, "wallet=" + account + "&eoaWallet=0x12", "wallet=" + account + "&eoaWallet=" + other, "wallet=" + other + "&eoaWallet=" + owner, "isSafe=true&wallet=" + account + "&eoaWallet=" + owner} {
			x.api(http.StatusBadRequest, http.MethodGet, at+"?"+bad, "")
			x.api(http.StatusBadRequest, http.MethodGet, at+"/pay?"+bad, "")
		}
		both := "?wallet=" + account + "&eoaWallet=" + owner
		x.api(http.StatusOK, http.MethodGet, at+both, "")
		x.api(http.StatusOK, http.MethodGet, at+"/pay"+both, "")
		_, op := sponsored(x.t, s)
		x.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
		hand(x.t, s, op)
		x.api(http.StatusLocked, http.MethodGet, at+"/pay"+both, "")
		x.api(http.StatusOK, http.MethodGet, at+both, "")
		x.Gas.Gateway.Behave(gateway.Behaviour{})
		hand(x.t, s, op)
		x.Chain.Mine(webtest.Confirmations + 1)
		x.AwaitState(token, payment.Paid)
		x.api(http.StatusConflict, http.MethodGet, at+"/pay"+both, "")
		x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(token).Terms.Requests[0].ID, "")
		x.api(http.StatusOK, http.MethodGet, "/v2/payments?walletAddress="+owner, "")
	}

	token := x.CreatePayment("5")
	s := x.SaverOfSecond("contract", token, "crosschain:arbitrum-one:USDC-arbitrum-one", x.Second.USDC(), 100_000_000)
	both := "?chain=ARBITRUM&token=USDC&wallet=" + accountOf(s.Address()) + "&eoaWallet=" + s.Address().String()
	x.api(http.StatusOK, http.MethodGet, route+"/"+token+both, "")
	x.api(http.StatusOK, http.MethodGet, route+"/"+token+"/pay"+both, "")
	x.GasSecond.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodSend: {Code: -32500, Message: "AA23 reverted"}}})
	_, op := sponsored(x.t, s)
	if hash, no := s.Send(op); no == nil {
		x.t.Errorf("the bundler took %s", hash)
	}
	x.GasSecond.Gateway.Behave(gateway.Behaviour{})
	x.api(http.StatusOK, http.MethodGet, route+"/"+token+"/pay"+both, "")
}
