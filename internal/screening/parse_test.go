package screening_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/screening"
)

const (
	bad1 = "0x8589427373D6D84E98730D7795D8f6f8731FDA16"
	bad2 = "0x722122dF12D4e14e13Ac3b6895a86e84145b6967"
)

func addresses(texts ...string) []asset.Address {
	var out []asset.Address
	for _, text := range texts {
		a, err := asset.ParseAddress(strings.ToLower(text))
		if err != nil {
			panic(err)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b asset.Address) int { return bytes.Compare(a[:], b[:]) })
	return out
}

func TestParse(t *testing.T) {
	want := addresses(bad1, bad2)
	for name, text := range map[string]string{
		"lines":                   bad1 + "\n" + bad2 + "\n",
		"lines of Windows":        "\xef\xbb\xbf" + bad1 + "\r\n\r\n" + bad2,
		"comments":                "# OFAC, of today\n\n  " + bad1 + "  # Tornado, Cash\n#" + bad1 + "\n" + bad2 + " # x",
		"any case":                strings.ToLower(bad1) + "\n0X" + strings.ToUpper(bad2[2:]) + "\n",
		"twice":                   bad1 + "\n" + bad2 + "\n" + strings.ToLower(bad1) + "\n",
		"wrong checksum":          strings.Replace(bad1, "D6D8", "d6D8", 1) + "\n" + bad2,
		"other kinds of chains":   "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh\n" + bad1 + "\nTJRabPrwbZy45sbavfcjinPJC18kjpRTv8\n" + bad2,
		"CSV":                     "name,address,program\n\"Doe, J.\"," + bad1 + ",CYBER2\nRoe," + bad2 + ",X\n",
		"CSV with other headings": "# made today\nuid, Digital_Currency_Address\n1," + bad1 + "\n2, " + bad2 + "\n3,\n",
		"JSON":                    `["` + bad1 + `","` + bad2 + `","12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h"]`,
		"JSON in many lines":      "\n [\n  \"" + bad1 + "\",\n  \"" + bad2 + "\"\n]\n",
	} {
		got, err := screening.Parse(strings.NewReader(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "only comments": "# none yet\n", "only space": "\n\n \n", "no EVM address": "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8\n",
		"cut address": bad1 + "\n" + bad2[:20] + "\n", "address and more": bad1 + " " + bad2 + "\n", "a page": "<!DOCTYPE html>\n<html>\n" + bad1,
		"binary": bad1 + "\n\x00\x01\x02\n", "invalid UTF-8": bad1 + "\n\xff\xfe\n", "a long line": bad1 + "\n" + strings.Repeat("x", 70<<10),
		"a long first line": strings.Repeat("x", 70<<10), "CSV without the column": "a,b\n1,2\n", "CSV with a short row": "name,address\nx," + bad1 + "\nroe\n",
		"CSV with a cut address": "name,address\nx," + bad1 + "\ny,0x12\n", "cut JSON": `["` + bad1 + `","` + bad2 + `"`, "cut JSON string": `["` + bad1,
		"JSON of numbers": `["` + bad1 + `",1]`, "JSON of objects": `[{"address":"` + bad1 + `"}]`, "JSON and more": `["` + bad1 + `"]["x"]`, "an empty JSON list": `[]`,
		"a JSON object": `{"addresses":["` + bad1 + `"]}`,
	} {
		if got, err := screening.Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func TestParseMany(t *testing.T) {
	const n = 200_000
	var text, list strings.Builder
	list.WriteByte('[')
	for i := range n {
		_, _ = fmt.Fprintf(&text, "0x%040x\n", i+1)
		if i > 0 {
			list.WriteByte(',')
		}
		_, _ = fmt.Fprintf(&list, `"0x%040x"`, i+1)
	}
	list.WriteByte(']')
	for name, in := range map[string]string{"lines": text.String(), "one line of JSON": list.String()} {
		got, err := screening.Parse(strings.NewReader(in))
		if err != nil || len(got) != n {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
	}
}

// FuzzParse: whatever the bytes, the result is in order and without repeats, and
// reads the same when it is written down plainly.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		bad1, "# x\n" + bad1 + "\n", "name,address\nx," + bad1, `["` + bad1 + `"]`, "[", "\"", "a,b", "\xef\xbb\xbf[]", ",,,\n\"", "0x\n", "[[[", "#\n#",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := screening.Parse(bytes.NewReader(b))
		if err != nil {
			if got != nil {
				t.Fatalf("%d addresses and the error %v", len(got), err)
			}
			return
		}
		if len(got) == 0 {
			t.Fatal("no addresses and no error")
		}
		var plain strings.Builder
		for i, a := range got {
			if i > 0 && bytes.Compare(got[i-1][:], a[:]) >= 0 {
				t.Fatalf("%s before %s", got[i-1], a)
			}
			plain.WriteString(a.String() + "\n")
		}
		again, err := screening.Parse(strings.NewReader(plain.String()))
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("written down: %v, %v", again, err)
		}
	})
}
