package lifi_test

import (
	"bytes"
	"testing"

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
