package lifi_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"quittance/internal/lifi"
)

// Whatever the decoder takes, it can write again to the same bytes, and
// go-ethereum reads it too: nothing is read that is not there.
func FuzzDecodeCall(f *testing.F) {
	r := newRig(f)
	for _, s := range scenes {
		_, step := r.ask(f, s)
		f.Add(step.Transaction.Data)
	}
	for _, v := range loadVectors(f) {
		f.Add(unhex(f, v.Data))
	}
	ref := reference(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		call, err := lifi.DecodeCall(data)
		if err != nil {
			return
		}
		again, err := call.Encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("written again: %x, %v", again, err)
		}
		if _, err := fields(t, ref, data); err != nil {
			t.Fatalf("go-ethereum: %v", err)
		}
		for _, s := range call.Swaps {
			roundTrip(t, s.CallData, lifi.DecodeFeeCall, lifi.FeeCall.Encode)
			roundTrip(t, s.CallData, lifi.DecodeDEXCall, lifi.DEXCall.Encode)
		}
		if call.Across != nil {
			roundTrip(t, call.Across.Message, lifi.DecodeMessage, lifi.Message.Encode)
		}
		call.Deposit()
		call.Validity(now)
	})
}

// Bytes that come over a bridge are read as strictly.
func FuzzDecodeMessage(f *testing.F) {
	r := newRig(f)
	for _, s := range scenes {
		_, step := r.ask(f, s)
		if call, err := lifi.DecodeCall(step.Transaction.Data); err == nil && call.Across != nil {
			f.Add(call.Across.Message)
		} else if err == nil && call.Stargate != nil {
			f.Add(call.Stargate.ComposeMsg)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { roundTrip(t, data, lifi.DecodeMessage, lifi.Message.Encode) })
}

// Legs are small, so that fuzzing gets further into them on their own.
func FuzzDecodeLegs(f *testing.F) {
	r := newRig(f)
	for _, s := range scenes {
		_, step := r.ask(f, s)
		if call, err := lifi.DecodeCall(step.Transaction.Data); err == nil {
			for _, leg := range call.Swaps {
				f.Add(leg.CallData)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip(t, data, lifi.DecodeFeeCall, lifi.FeeCall.Encode)
		roundTrip(t, data, lifi.DecodeDEXCall, lifi.DEXCall.Encode)
	})
}

func roundTrip[T any](t *testing.T, data []byte, decode func([]byte) (T, error), encode func(T) ([]byte, error)) {
	t.Helper()
	v, err := decode(data)
	if err != nil {
		return
	}
	again, err := encode(v)
	if err != nil || !bytes.Equal(again, data) {
		t.Fatalf("written again: %x, %v; was %x", again, err, data)
	}
}

// canned answers every request with the same.
type canned struct {
	status int
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}

// Whatever the service answers, the client says what it can use, or that it
// cannot, and nothing in it is longer or stranger than pages and logs bear.
func FuzzAnswers(f *testing.F) {
	r := newRig(f)
	_, step := r.ask(f, scenes[0])
	f.Add(uint8(0), []byte(step.Raw))
	for _, body := range []string{
		`{"status":"DONE","substatus":"COMPLETED","receiving":{"txHash":"0x` + strings.Repeat("ab", 32) + `","amount":"1","token":{"address":"` + payer.String() + `"}}}`,
		`{"chains":[{"id":1,"diamondAddress":"` + payer.String() + `"}]}`, `{"tokens":{"8453":[{"chainId":8453,"address":"` + payer.String() + `","decimals":6}]}}`,
		`{"bridges":[{"key":"across","supportedChains":[{"fromChainId":1,"toChainId":10}]}],"exchanges":[{"key":"a","supportedChains":["1",2]}]}`,
		`{"message":"x","code":1002,"errors":{"failed":[{"subpaths":{"a":[{"tool":"t","code":"c"}]}}]}}`, `{"code":1011,"errors":[{"tool":"t"}]}`,
	} {
		f.Add(uint8(0), []byte(body))
		f.Add(uint8(1), []byte(body))
	}
	statuses := []int{200, 404, 400, 429, 302, 403}
	in := intent(f, scenes[0].from, scenes[0].to)
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		client, err := lifi.NewClient(lifi.Config{Transport: canned{statuses[int(kind)%len(statuses)], body}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { tryAnswers(t, client, in) }) // pauses cost nothing
	})
}

// tryAnswers puts every question to a client and looks at what it makes of the
// answers.
func tryAnswers(t *testing.T, client *lifi.Client, in lifi.Intent) {
	var texts []string
	step, err := client.Quote(t.Context(), in)
	if err == nil {
		if step.FromAmount == nil || step.FromAmount.Sign() < 0 || step.FromAmount.BitLen() > 256 || len(step.Transaction.Data) == 0 || step.Transaction.Value == nil || step.Duration < 0 {
			t.Errorf("%+v", step)
		}
		texts = append(texts, step.ID, step.Tool, step.ToolName, step.TransactionID, step.From.Symbol, step.From.PriceUSD)
	}
	errs := []error{err}
	if s, err := client.Status(t.Context(), sent); err == nil {
		texts = append(texts, s.Message, s.Explorer, s.Tool, string(s.State), string(s.Substate), s.Receiving.TxHash, string(s.Progress()))
	} else {
		errs = append(errs, err)
	}
	if tools, err := client.Tools(t.Context()); err == nil {
		for _, b := range tools.Bridges {
			texts = append(texts, b.Key, b.Name)
		}
	}
	if tokens, err := client.Tokens(t.Context(), 8453); err == nil {
		for _, k := range tokens {
			texts = append(texts, k.Symbol, k.PriceUSD)
		}
	}
	errs = append(errs, client.CheckPins(t.Context()))
	for _, err := range errs {
		var e *lifi.Error
		if errors.As(err, &e) {
			texts = append(texts, e.Message)
			for _, tool := range e.Tools {
				texts = append(texts, tool.Tool, tool.Code, tool.Message)
			}
		}
	}
	for _, s := range texts {
		if len([]rune(s)) > 500 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", s)
		}
	}
}
