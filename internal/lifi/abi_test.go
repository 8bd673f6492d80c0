package lifi_test

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/lifi"
)

// go-ethereum's coder is the second opinion on ours. It reads more than the one
// encoding that ours accepts, which is what makes it worth asking.
const (
	jsonBridge = `{"name":"bridgeData","type":"tuple","components":[{"name":"transactionId","type":"bytes32"},{"name":"bridge","type":"string"},
		{"name":"integrator","type":"string"},{"name":"referrer","type":"address"},{"name":"sendingAssetId","type":"address"},{"name":"receiver","type":"address"},
		{"name":"minAmount","type":"uint256"},{"name":"destinationChainId","type":"uint256"},{"name":"hasSourceSwaps","type":"bool"},{"name":"hasDestinationCall","type":"bool"}]}`
	jsonSwapParts = `"components":[{"name":"callTo","type":"address"},{"name":"approveTo","type":"address"},{"name":"sendingAssetId","type":"address"},
		{"name":"receivingAssetId","type":"address"},{"name":"fromAmount","type":"uint256"},{"name":"callData","type":"bytes"},{"name":"requiresDeposit","type":"bool"}]`
	jsonSwaps  = `{"name":"swapData","type":"tuple[]",` + jsonSwapParts + `}`
	jsonSwap   = `{"name":"swapData","type":"tuple",` + jsonSwapParts + `}`
	jsonAcross = `{"name":"acrossData","type":"tuple","components":[{"name":"receiverAddress","type":"bytes32"},{"name":"refundAddress","type":"bytes32"},
		{"name":"sendingAssetId","type":"bytes32"},{"name":"receivingAssetId","type":"bytes32"},{"name":"outputAmount","type":"uint256"},
		{"name":"outputAmountMultiplier","type":"uint128"},{"name":"exclusiveRelayer","type":"bytes32"},{"name":"quoteTimestamp","type":"uint32"},
		{"name":"fillDeadline","type":"uint32"},{"name":"exclusivityParameter","type":"uint32"},{"name":"message","type":"bytes"}]}`
	jsonStargate = `{"name":"stargateData","type":"tuple","components":[{"name":"assetId","type":"uint16"},{"name":"sendParams","type":"tuple","components":[
		{"name":"dstEid","type":"uint32"},{"name":"to","type":"bytes32"},{"name":"amountLD","type":"uint256"},{"name":"minAmountLD","type":"uint256"},
		{"name":"extraOptions","type":"bytes"},{"name":"composeMsg","type":"bytes"},{"name":"oftCmd","type":"bytes"}]},
		{"name":"fee","type":"tuple","components":[{"name":"nativeFee","type":"uint256"},{"name":"lzTokenFee","type":"uint256"}]},{"name":"refundAddress","type":"address"}]}`
	jsonGeneric = `{"name":"transactionId","type":"bytes32"},{"name":"integrator","type":"string"},{"name":"referrer","type":"string"},
		{"name":"receiver","type":"address"},{"name":"minAmountOut","type":"uint256"}`
)

func method(name string, inputs ...string) string {
	return `{"type":"function","name":"` + name + `","inputs":[` + strings.Join(inputs, ",") + `],"outputs":[]}`
}

func reference(t testing.TB) abi.ABI {
	t.Helper()
	in := func(name, kind string) string { return `{"name":"` + name + `","type":"` + kind + `"}` }
	parsed, err := abi.JSON(strings.NewReader("[" + strings.Join([]string{
		method("startBridgeTokensViaAcrossV4", jsonBridge, jsonAcross),
		method("swapAndStartBridgeTokensViaAcrossV4", jsonBridge, jsonSwaps, jsonAcross),
		method("startBridgeTokensViaStargate", jsonBridge, jsonStargate),
		method("swapAndStartBridgeTokensViaStargate", jsonBridge, jsonSwaps, jsonStargate),
		method("swapTokensSingleV3ERC20ToERC20", jsonGeneric, jsonSwap),
		method("swapTokensMultipleV3ERC20ToERC20", jsonGeneric, jsonSwaps),
		method("message", in("transactionId", "bytes32"), jsonSwaps, in("receiver", "address")),
		method("forwardERC20Fees", in("token", "address"),
			`{"name":"distributions","type":"tuple[]","components":[{"name":"recipient","type":"address"},{"name":"amount","type":"uint256"}]}`),
		method("collectTokenFees", in("token", "address"), in("integratorFee", "uint256"), in("lifiFee", "uint256"), in("integrator", "address")),
		method("processRoute", in("tokenIn", "address"), in("amountIn", "uint256"), in("tokenOut", "address"), in("amountOutMin", "uint256"),
			in("to", "address"), in("route", "bytes")),
	}, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestSelectorsAreThoseOfTheSignatures(t *testing.T) {
	ref := reference(t)
	for name, want := range map[string]lifi.Selector{
		"startBridgeTokensViaAcrossV4": lifi.AcrossStart, "swapAndStartBridgeTokensViaAcrossV4": lifi.AcrossSwap,
		"startBridgeTokensViaStargate": lifi.StargateStart, "swapAndStartBridgeTokensViaStargate": lifi.StargateSwap,
		"swapTokensSingleV3ERC20ToERC20": lifi.SwapSingle, "swapTokensMultipleV3ERC20ToERC20": lifi.SwapMultiple,
		"forwardERC20Fees": {0x33, 0x2d, 0x74, 0x6b}, "collectTokenFees": {0xee, 0xdd, 0x56, 0xe1}, "processRoute": {0x26, 0x46, 0x47, 0x8b},
	} {
		if got := lifi.Selector(ref.Methods[name].ID); got != want {
			t.Errorf("%s: %x, here %x", ref.Methods[name].Sig, got, want)
		}
	}
}

// flatten writes what go-ethereum reads as path -> value; what is calldata
// again is flattened too.
func flatten(t testing.TB, ref abi.ABI, method abi.Method, args []byte, prefix string, into map[string]string) error {
	values, err := method.Inputs.Unpack(args)
	if err != nil {
		return err
	}
	again, err := method.Inputs.Pack(values...)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, args) {
		return fmt.Errorf("%s: not the standard encoding", method.Name)
	}
	for i, v := range values {
		flattenValue(t, ref, reflect.ValueOf(v), prefix+method.Inputs[i].Name, into)
	}
	return nil
}

func flattenValue(t testing.TB, ref abi.ABI, v reflect.Value, path string, into map[string]string) {
	switch x := v.Interface().(type) {
	case *big.Int:
		into[path] = x.String()
	case common.Address:
		into[path] = strings.ToLower(x.Hex())
	case [32]byte:
		into[path] = fmt.Sprintf("0x%x", x)
	case []byte:
		into[path] = fmt.Sprintf("0x%x", x)
		inner, is := ref.Methods["message"], strings.HasSuffix(path, ".message") || strings.HasSuffix(path, ".composeMsg")
		if len(x) >= 4 && !is {
			if m, err := ref.MethodById(x[:4]); err == nil {
				inner, is, x = *m, true, x[4:]
			}
		}
		if is && flatten(t, ref, inner, x, path+">", into) == nil {
			delete(into, path)
		}
	default:
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				flattenValue(t, ref, v.Field(i), path+"."+v.Type().Field(i).Tag.Get("json"), into)
			}
		case reflect.Slice:
			into[path+".length"] = fmt.Sprint(v.Len())
			for i := range v.Len() {
				flattenValue(t, ref, v.Index(i), fmt.Sprintf("%s[%d]", path, i), into)
			}
		default:
			into[path] = fmt.Sprint(x)
		}
	}
}

// fields reads calldata with go-ethereum.
func fields(t testing.TB, ref abi.ABI, data []byte) (map[string]string, error) {
	t.Helper()
	m, err := ref.MethodById(data)
	if err != nil {
		return nil, err
	}
	into := map[string]string{}
	return into, flatten(t, ref, *m, data[4:], "", into)
}

// Both coders see the same in routes of every kind, and agree on the bytes.
func TestDecoderAgreesWithGoEthereum(t *testing.T) {
	ref, r := reference(t), newRig(t)
	for _, s := range scenes {
		_, step := r.ask(t, s)
		data := step.Transaction.Data
		call, err := lifi.DecodeCall(data)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := fields(t, ref, data)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		ours := map[string]string{}
		if b := call.Bridge; b != nil {
			ours["bridgeData.minAmount"] = b.MinAmount.String()
			ours["bridgeData.bridge"], ours["bridgeData.integrator"] = b.Bridge, b.Integrator
			ours["bridgeData.sendingAssetId"], ours["bridgeData.receiver"] = b.SendingAsset.Lower(), b.Receiver.Lower()
			ours["bridgeData.destinationChainId"] = b.DestinationChain.String()
			ours["bridgeData.hasSourceSwaps"], ours["bridgeData.hasDestinationCall"] = fmt.Sprint(b.HasSourceSwaps), fmt.Sprint(b.HasDestinationCall)
		}
		if a := call.Across; a != nil {
			ours["acrossData.outputAmount"], ours["acrossData.outputAmountMultiplier"] = a.OutputAmount.String(), a.OutputMultiplier.String()
			ours["acrossData.receiverAddress"], ours["acrossData.refundAddress"] = fmt.Sprintf("0x%x", a.Receiver), fmt.Sprintf("0x%x", a.Refund)
			ours["acrossData.fillDeadline"], ours["acrossData.quoteTimestamp"] = fmt.Sprint(a.FillDeadline), fmt.Sprint(a.QuoteTimestamp)
			ours["acrossData.exclusivityParameter"] = fmt.Sprint(a.Exclusivity)
			arrival(t, ours, "acrossData.message>", a.Message)
		}
		if g := call.Stargate; g != nil {
			ours["stargateData.sendParams.dstEid"], ours["stargateData.sendParams.minAmountLD"] = fmt.Sprint(g.DstEID), g.MinAmount.String()
			ours["stargateData.sendParams.extraOptions"], ours["stargateData.sendParams.oftCmd"] = fmt.Sprintf("0x%x", g.ExtraOptions), fmt.Sprintf("0x%x", g.OFTCmd)
			ours["stargateData.fee.nativeFee"], ours["stargateData.refundAddress"] = g.NativeFee.String(), g.Refund.Lower()
			arrival(t, ours, "stargateData.sendParams.composeMsg>", g.ComposeMsg)
		}
		if g := call.Swap; g != nil {
			ours["receiver"], ours["minAmountOut"] = g.Receiver.Lower(), g.MinAmountOut.String()
		}
		for i, leg := range call.Swaps {
			at := fmt.Sprintf("swapData[%d].", i)
			if call.Selector == lifi.SwapSingle {
				at = "swapData."
			}
			ours[at+"callTo"], ours[at+"approveTo"], ours[at+"fromAmount"] = leg.CallTo.Lower(), leg.ApproveTo.Lower(), leg.FromAmount.String()
			ours[at+"requiresDeposit"] = fmt.Sprint(leg.RequiresDeposit)
			if fee, err := lifi.DecodeFeeCall(leg.CallData); err == nil {
				ours[at+"callData>token"] = fee.Token.Lower()
				ours[at+"callData>distributions[0].recipient"], ours[at+"callData>distributions[0].amount"] = fee.Shares[0].To.Lower(), fee.Shares[0].Amount.String()
			} else if dex, err := lifi.DecodeDEXCall(leg.CallData); err == nil {
				ours[at+"callData>amountIn"], ours[at+"callData>amountOutMin"], ours[at+"callData>to"] = dex.AmountIn.String(), dex.MinOut.String(), dex.To.Lower()
			} else {
				t.Errorf("%s: leg %d is neither fee nor exchange", s.name, i)
			}
		}
		for path, want := range ours {
			if got, ok := theirs[path]; !ok || got != want {
				t.Errorf("%s: %s: here %s, go-ethereum %s", s.name, path, want, got)
			}
		}
	}
}

func arrival(t testing.TB, ours map[string]string, at string, message []byte) {
	t.Helper()
	m, err := lifi.DecodeMessage(message)
	if err != nil {
		t.Fatal(err)
	}
	ours[at+"receiver"], ours[at+"swapData.length"] = m.Receiver.Lower(), fmt.Sprint(len(m.Swaps))
	ours[at+"swapData[0].callTo"], ours[at+"swapData[0].fromAmount"] = m.Swaps[0].CallTo.Lower(), m.Swaps[0].FromAmount.String()
	ours[at+"swapData[0].callData"] = fmt.Sprintf("0x%x", m.Swaps[0].CallData)
}
