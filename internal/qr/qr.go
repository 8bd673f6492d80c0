// Package qr draws QR codes (ISO/IEC 18004) with their quiet zone, for pages without
// script and for printing. It knows text and pictures, and nothing of what a text means.
package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
)

// Quiet is the width of the empty border in modules: the standard's four.
const Quiet = 4

// MaxText is what a code may hold, in bytes. More makes modules too small for a phone's
// camera at the size of a page; the standard allows 2331.
const MaxText = 1000

// ErrText is a text that no code is made of.
var ErrText = errors.New("a QR code holds 1 to 1000 bytes of valid UTF-8")

// Code is a QR code, without its border.
type Code struct {
	size int
	dark []bool // rows of modules
}

// Encode makes a code of a text, in medium error correction (15 %), as bytes in UTF-8.
//
// Errors: ErrText.
func Encode(text string) (Code, error) {
	if text == "" || len(text) > MaxText || !utf8.ValidString(text) {
		return Code{}, ErrText
	}
	b, err := qr.Encode(text, qr.M, qr.Unicode)
	if err != nil {
		return Code{}, fmt.Errorf("encoding a QR code: %w", err)
	}
	c := Code{size: b.Bounds().Dx()}
	c.dark = make([]bool, c.size*c.size)
	for y := range c.size {
		for x := range c.size {
			r, _, _, _ := b.At(x, y).RGBA()
			c.dark[y*c.size+x] = r == 0
		}
	}
	return c, nil
}

// Size is how many modules wide and high the code is, with its border.
func (c Code) Size() int { return c.size + 2*Quiet }

// at reports whether a module is dark, counted from the border's corner.
func (c Code) at(x, y int) bool {
	x, y = x-Quiet, y-Quiet
	return x >= 0 && y >= 0 && x < c.size && y < c.size && c.dark[y*c.size+x]
}

// SVG draws the code on white, one unit a module, as an element to be put into a page or
// saved to a file. It has no script, no style and no size of its own; the label is what
// people are told who cannot see it.
func (c Code) SVG(label string) string {
	var b strings.Builder
	n := strconv.Itoa(c.Size())
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + n + ` ` + n + `" shape-rendering="crispEdges" role="img" aria-label="`)
	b.WriteString(escape.Replace(label))
	b.WriteString(`"><rect width="` + n + `" height="` + n + `" fill="#fff"/><path fill="#000" d="`)
	for y := range c.Size() {
		for x := 0; x < c.Size(); x++ {
			width := 0
			for c.at(x+width, y) {
				width++
			}
			if width > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, width, width)
				x += width
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// The sizes of pictures that are made to measure, in pixels.
const (
	MinPixels = 100
	MaxPixels = 1000
)

// ErrPixels is a size that no picture of this code has: less than 100 or more than 1000
// pixels, or too little for modules of two pixels, which is the least that a camera tells
// apart.
var ErrPixels = errors.New("a picture of a QR code cannot have this size")

// Picture draws the code as a square PNG of exactly so many pixels: modules as large as
// whole pixels let them be, in the middle, and the border takes the rest.
//
// Errors: ErrPixels.
func (c Code) Picture(pixels int) ([]byte, error) {
	if pixels < MinPixels || pixels > MaxPixels || pixels/c.Size() < 2 {
		return nil, ErrPixels
	}
	return c.draw(pixels/c.Size(), pixels)
}

// draw makes a picture of n pixels a side, with the code in the middle.
func (c Code) draw(scale, n int) ([]byte, error) {
	margin := (n - c.Size()*scale) / 2
	m := image.NewPaletted(image.Rect(0, 0, n, n), color.Palette{color.White, color.Black})
	for y := margin; y < margin+c.Size()*scale; y++ {
		for x := margin; x < margin+c.Size()*scale; x++ {
			if c.at((x-margin)/scale, (y-margin)/scale) {
				m.Pix[y*m.Stride+x] = 1
			}
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m); err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	return b.Bytes(), nil
}
