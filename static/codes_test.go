package static

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"quittance/internal/bank"
	"quittance/internal/qr"
)

var update = flag.Bool("update", false, "write what the page's tests read")

// The page's script compares codes with its own drawing of them. Its tests read these,
// drawn by the server's, of every length that a payment's link may have and more.
func TestThePagesTestsReadTheServersCodes(t *testing.T) {
	const to = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
	const usdc, usdt = "0x5A4db000000000000000000000000000000005dC", "0x5A4db000000000000000000000000000000005D7"
	texts := []string{
		to, "Zürich, 25 ☕",
		"ethereum:" + to + "@900008453?value=6680823708011624",
		"ethereum:" + to + "@900008453?value=3340411854005812",
		"ethereum:" + to + "@900042161?value=6680823708011624",
		"ethereum:" + usdc + "@900008453/transfer?address=" + to + "&uint256=25000000",
		"ethereum:" + usdt + "@900042161/transfer?address=" + to + "&uint256=25000000",
	}
	long := strings.Repeat("ethereum:0xAbCdEf0123456789@8453/transfer?uint256=", 7)
	for n := 1; n <= 320; n += 11 {
		texts = append(texts, long[:n])
	}
	// What banking apps scan, of an account of the European Economic Area and of one outside.
	for _, transfer := range []bank.Transfer{
		{Name: "Harbour Coffee", Account: "DE89370400440532013000", Cents: 4999, Text: "Invoice 1234 RF46C0FFEE123456"},
		{Name: "Harbour Coffee", Account: "DE89370400440532013000", Cents: 2500, Text: "Invoice 1234 RF46C0FFEE123456"},
		{Name: "Harbour Coffee", Account: "CH9300762011623852957", BIC: "POFICHBEXXX", Cents: 4999, Text: "Invoice 1234 RF46C0FFEE123456"},
	} {
		text, err := transfer.Code()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	codes := map[string]string{}
	for _, text := range texts {
		code, err := qr.Encode(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		codes[text] = code.SVG(`A "code" of <something> & more`)
	}
	var want bytes.Buffer
	out := json.NewEncoder(&want)
	out.SetEscapeHTML(false)
	if err := out.Encode(codes); err != nil {
		t.Fatal(err)
	}
	const file = "ts/test/testdata/codes.json"
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the server draws (%v): run this test with -update", file, err)
	}
}
