package qr_test

import (
	"bytes"
	"errors"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	reader "github.com/makiuchi-d/gozxing/qrcode"

	"quittance/internal/bank"
	"quittance/internal/qr"
)

// What banking apps scan: version 13 at the most, in medium error correction.
const largestOfBanks = 13

var link = "https://pay.example.com/payment?link_id=ODIzNDU2Nzg5MDEyMzQ1Ng=="

// transfer is a transfer whose code has so many bytes, of letters of one or of two.
func transfer(t *testing.T, letter string, bytes int) string {
	t.Helper()
	x := bank.Transfer{Name: strings.Repeat(letter, 70/len(letter)), Account: "DE89370400440532013000", BIC: "COBADEFFXXX", Cents: 99_999_999_999, Purpose: "CHAR"}
	x.Text = strings.Repeat(letter, 140/len(letter))
	code, err := x.Code()
	if err != nil {
		t.Fatal(err)
	}
	if missing := bytes - len(code) - 1; missing > 0 {
		x.Hint = strings.Repeat("h", missing)
	}
	if code, err = x.Code(); err != nil || len(code) != bytes {
		t.Fatalf("%d bytes, %v", len(code), err)
	}
	return code
}

func TestPictures(t *testing.T) {
	for name, text := range map[string]string{
		"a link": link, "an address to pay to": token, "the fullest transfer": transfer(t, "x", bank.MaxCodeBytes), "one of umlauts": transfer(t, "ä", bank.MaxCodeBytes),
	} {
		c, err := qr.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if c.Version() > largestOfBanks {
			t.Errorf("%s takes version %d", name, c.Version())
		}
		for _, pixels := range []int{300, 299, 200} {
			raw, err := c.Picture(pixels)
			if err != nil {
				t.Errorf("%s at %d pixels: %v", name, pixels, err)
				continue
			}
			m, err := png.Decode(bytes.NewReader(raw))
			if err != nil || m.Bounds().Dx() != pixels || m.Bounds().Dy() != pixels {
				t.Fatalf("%s: %v, %v", name, m.Bounds(), err)
			}
			if got, err := scan(m); err != nil || got != text {
				t.Errorf("%s at %d pixels: %q, %v", name, pixels, got, err)
			}
			// In the middle, to the pixel that cannot be halved: the corner of the first finder says so.
			first := (pixels-c.Size()*(pixels/c.Size()))/2 + qr.Quiet*(pixels/c.Size())
			for _, p := range [][2]int{{first, first}, {first - 1, first}, {first, first - 1}} {
				if r, _, _, _ := m.At(p[0], p[1]).RGBA(); (r == 0) != (p == [2]int{first, first}) {
					t.Errorf("%s at %d pixels: the code does not begin at %d", name, pixels, first)
				}
			}
			// The quiet zone is four modules at the least, on every side.
			quiet := qr.Quiet * (pixels / c.Size())
			for i := range pixels {
				for d := range quiet {
					for _, p := range [][2]int{{i, d}, {d, i}, {i, pixels - 1 - d}, {pixels - 1 - d, i}} {
						if r, _, _, _ := m.At(p[0], p[1]).RGBA(); r == 0 {
							t.Fatalf("%s at %d pixels: dark in the border at %v", name, pixels, p)
						}
					}
				}
			}
		}
	}
	c, err := qr.Encode(transfer(t, "x", bank.MaxCodeBytes))
	if err != nil {
		t.Fatal(err)
	}
	for _, pixels := range []int{-1, 0, qr.MinPixels - 1, qr.MinPixels, 153, qr.MaxPixels + 1} { // 77 modules with its border
		if raw, err := c.Picture(pixels); !errors.Is(err, qr.ErrPixels) || raw != nil {
			t.Errorf("%d pixels: %v", pixels, err)
		}
	}
	if _, err := c.Picture(154); err != nil || c.Version() != largestOfBanks {
		t.Errorf("version %d: %v", c.Version(), err)
	}
}

// Damage to less than 15 % of a code is mended: a reader tells how much it could.
func TestErrorCorrection(t *testing.T) {
	for _, text := range []string{"x", link, transfer(t, "x", bank.MaxCodeBytes)} {
		c, err := qr.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := c.Drawn(3)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		b, err := gozxing.NewBinaryBitmapFromImage(m)
		if err != nil {
			t.Fatal(err)
		}
		r, err := reader.NewQRCodeReader().Decode(b, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
		if err != nil || r.GetResultMetadata()[gozxing.ResultMetadataType_ERROR_CORRECTION_LEVEL] != "M" {
			t.Errorf("%.40q: %v, %v", text, r, err)
		}
	}
}

// The version is that of the size; what banks take is one of those they read, and no more.
func TestVersions(t *testing.T) {
	for _, n := range []int{1, 14, 15, 200, bank.MaxCodeBytes - 1, bank.MaxCodeBytes, bank.MaxCodeBytes + 1, qr.MaxText} {
		c, err := qr.Encode(strings.Repeat("x", n))
		if err != nil {
			t.Fatal(err)
		}
		if c.Version()*4+17+2*qr.Quiet != c.Size() || (n <= bank.MaxCodeBytes) != (c.Version() <= largestOfBanks) {
			t.Errorf("%d bytes: version %d of %d modules", n, c.Version(), c.Size())
		}
	}
}
