package qr_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	reader "github.com/makiuchi-d/gozxing/qrcode"
	"pgregory.net/rapid"

	"quittance/internal/qr"
)

// scan reads a picture by somebody else's code. It is told that there is nothing else in
// the picture: how well a phone finds a code is not what is tried here, and this port's
// way of finding them overlooks some that others see.
func scan(m image.Image) (string, error) {
	b, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		return "", err
	}
	r, err := reader.NewQRCodeReader().Decode(b, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		return "", err
	}
	return r.GetText(), nil
}

const token = "ethereum:0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913@8453/transfer?address=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266&uint256=250000000"

func TestPhonesReadIt(t *testing.T) {
	for _, text := range []string{
		token, "ethereum:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266@84532?value=668082370801163", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
		"x", strings.Repeat("long ", 199), "https://example.com/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96",
		"BCD\n002\n1\nSCT\n\nFrançois\nDE89370400440532013000\nEUR12.3",
	} {
		c, err := qr.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, scale := range []int{1, 3} {
			raw, err := c.Drawn(scale)
			if err != nil {
				t.Fatal(err)
			}
			m, err := png.Decode(bytes.NewReader(raw))
			if err != nil || m.Bounds().Dx() != c.Size()*scale {
				t.Fatalf("%d wide, %v", m.Bounds().Dx(), err)
			}
			if scale == 1 {
				continue // no camera takes a pixel for a module
			}
			if got, err := scan(m); err != nil || got != text {
				t.Errorf("%q at %d pixels: %q, %v", text, scale, got, err)
			}
		}
		if got, err := scan(draw(t, c.SVG("a code"), c.Size())); err != nil || got != text {
			t.Errorf("the drawing of %q: %q, %v", text, got, err)
		}
	}
}

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// draw makes a picture of the SVG's path, at three pixels a module.
func draw(t *testing.T, svg string, size int) image.Image {
	t.Helper()
	const scale = 3
	m := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	found := run.FindAllStringSubmatch(svg, -1)
	for _, f := range found {
		var x, y, w, back int
		if _, err := fmt.Sscan(f[1]+" "+f[2]+" "+f[3]+" "+f[4], &x, &y, &w, &back); err != nil || back != w {
			t.Fatalf("a run %v, %v", f, err)
		}
		for py := y * scale; py < (y+1)*scale; py++ {
			for px := x * scale; px < (x+w)*scale; px++ {
				m.SetGray(px, py, color.Gray{})
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("nothing is drawn")
	}
	return m
}

// The border is four modules, empty.
func TestQuietZone(t *testing.T) {
	c, err := qr.Encode(token)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Drawn(1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	n := c.Size()
	for i := range n {
		for d := range qr.Quiet {
			for _, p := range []image.Point{{i, d}, {d, i}, {i, n - 1 - d}, {n - 1 - d, i}} {
				if r, _, _, _ := m.At(p.X, p.Y).RGBA(); r == 0 {
					t.Fatalf("a dark module in the border at %v", p)
				}
			}
		}
	}
	if r, _, _, _ := m.At(qr.Quiet, qr.Quiet).RGBA(); r != 0 {
		t.Error("no finder pattern where the border ends")
	}
}

func TestSVGIsWellFormed(t *testing.T) {
	c, err := qr.Encode("x")
	if err != nil {
		t.Fatal(err)
	}
	svg := c.SVG(`"><script>alert(1)</script>&`)
	var v struct {
		Label string `xml:"aria-label,attr"`
	}
	if err := xml.Unmarshal([]byte(svg), &v); err != nil || v.Label != `"><script>alert(1)</script>&` {
		t.Errorf("%q, %v", v.Label, err)
	}
	if strings.Contains(svg, "style") || strings.Contains(svg, "<script") {
		t.Errorf("%s", svg)
	}
}

func TestRefused(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "too long": strings.Repeat("x", qr.MaxText+1), "no UTF-8": "\xff"} {
		if _, err := qr.Encode(text); !errors.Is(err, qr.ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any text of letters and signs comes back as it was.
func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~]{1,100}`).Draw(t, "text")
		c, err := qr.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := c.Drawn(2)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := scan(m); err != nil || got != text {
			t.Fatalf("%q, %v", got, err)
		}
	})
}
